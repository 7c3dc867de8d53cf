"""How series are derived, in the database: read with the registry, written with it, and what that touches."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics.store import derivations
from analytics.store.connection import Connection
from analytics.store.ledger import WINDOWS
from analytics.store.register.model import Derived, Formula, Registry, Series


def load(conn: Connection, known: Mapping[int, Series]) -> dict[Derived, Formula | None]:
    """The formulas in force; `known` are all series by their id."""
    rows: list[Any] = conn.execute(
        """
        SELECT series, nullif(since, '-infinity'), kind, roles, inputs, given FROM derivation
        WHERE ended IS NULL ORDER BY series, since
        """
    ).fetchall()
    found: dict[Derived, Formula | None] = {}
    for number, since, kind, roles, inputs, given in rows:
        series = known[number]
        key = Derived(series.station, series.parameter, series.position, since)
        cast = tuple((role, known[item]) for role, item in zip(roles, inputs, strict=True))
        found[key] = Formula(kind, cast, tuple(sorted(given.items()))) if kind else None
    return found


def write(conn: Connection, said: Registry, author: str) -> list[int]:
    """Derived series whose formulas are written, with what they are made of: all of these are registered.

    What changes is signed: call it in the last statements of a transaction that has the formulas to itself.
    """
    if not said.derivations:
        return []
    asked = {key.series for key in said.derivations}
    asked |= {series for formula in said.derivations.values() if formula for _, series in formula.inputs}
    ids = _numbers(conn, sorted(asked))
    rows: list[derivations.Row] = [
        (
            ids[key.series],
            key.since,
            formula.kind if formula else None,
            [role for role, _ in formula.inputs] if formula else [],
            [ids[series] for _, series in formula.inputs] if formula else [],
            dict(formula.given) if formula else {},
        )
        for key, formula in said.derivations.items()
    ]
    derivations.save(conn, rows, author)
    return sorted({row[0] for row in rows})


def _numbers(conn: Connection, series: list[Series]) -> dict[Series, int]:
    rows = conn.execute(
        """
        SELECT w.code, w.parameter, w.position, w.statistic, w.cadence, s.id
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::int4[])
            AS w (code, parameter, position, statistic, cadence)
        JOIN station t ON t.code = w.code
        JOIN series s ON (s.station, s.parameter, s.position, s.statistic, s.cadence)
            = (t.id, w.parameter, w.position, w.statistic, w.cadence)
        """,
        [list(column) for column in zip(*series, strict=True)],
    ).fetchall()
    return {Series(*row[:5]): row[5] for row in rows}  # type: ignore[misc,arg-type]  # as the select says


def of_stations(conn: Connection, stations: list[int]) -> list[int]:
    """The derived series of `stations`."""
    rows = conn.execute(
        """
        SELECT DISTINCT d.series FROM derivation d JOIN series s ON s.id = d.series
        WHERE s.station = ANY(%s) AND d.ended IS NULL ORDER BY 1
        """,
        [stations],
    ).fetchall()
    return [int(str(row[0])) for row in rows]


def stretches(conn: Connection, subject: str, stations: list[int]) -> pl.DataFrame:
    """WINDOWS over all hours of the derived series of `stations`, by `subject`, a column of `series`."""
    series = of_stations(conn, stations)
    owners = conn.execute(f"SELECT id, {subject} FROM series WHERE id = ANY(%s)", [series]).fetchall()
    named = pl.DataFrame(owners, schema={"series": pl.Int32, "subject": pl.Int32}, orient="row")
    return named.join(derivations.extent(conn, series), on="series").select(*WINDOWS)

"""`greenwatch outlook`: the index of the days ahead, district by district, and the warning that they call for."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import polars as pl
import typer
from rich.table import Table

from analytics import outlook
from analytics.frames import TIME
from analytics.outlook import Tier
from analytics.store import connection, derived, forecasts, ledger, registry
from analytics.store.connection import Connection
from analytics.texts import Language, choose, text
from jobs import chain, console
from jobs.export.ask import instant
from jobs.rules import Rules

EXAMPLE = "Example: greenwatch outlook --language en"

#: A forecast may be so old.
FRESH = timedelta(hours=6)
#: Ends of the band beside the forecast itself.
TRACKS = ("value", "low", "high")


@dataclass(frozen=True, slots=True)
class Outlook:
    """A district: its `days` (outlook.DAYS with `low` and `high`: the index if all hours came at that end of their
    bands), the tier they call for, and the one that the `high` end would; `issued` of the newest forecast."""

    district: str
    issued: datetime
    stations: int
    days: pl.DataFrame
    tier: Tier | None
    possible: Tier | None


def run(conn: Connection, now: datetime) -> list[Outlook]:
    """What was said by `now` of each district that has forecasts of the last hours; stations of none are one, "".

    A district's hour is the mean of its stations, measured where the day has been (as is known today), forecast where
    it has not.
    """
    rules = chain.load_rules(conn, now)[-1]
    tiers = outlook.load()
    stations = registry.load_stations(conn).join(registry.load_places(conn), on="station", how="left")
    stations = stations.join(registry.load_districts(conn, now), on="station", how="left")
    pollutants = rules.standards.columns["parameter"].unique().to_list()
    voices = registry.load_voices(conn).filter(pl.col("parameter").is_in(pollutants))
    first = voices.sort("position", "voice").unique(["station", "parameter"], keep="first")
    voices = voices.filter(pl.col("voice").is_in(first["voice"].implode()))
    said = forecasts.load(conn, voices["voice"].unique().to_list(), known=now)
    said = said.filter(pl.col("issued") > now - FRESH, pl.col("issued") <= now)
    found = []
    for (district,), some in stations.group_by(pl.col("place").fill_null(""), maintain_order=True):
        mine = voices.filter(pl.col("station").is_in(some["station"].implode()))
        theirs = said.filter(pl.col("series").is_in(mine["voice"].implode()))
        if theirs.is_empty():
            continue
        place = some.select("station", "offset", "places").head(1)
        days = _of(place, _hours(conn, mine, theirs, now, place["offset"][0]), rules)
        # Two editions in force: the first, by its name, is the one that tiers go by.
        by = days.unique("day", keep="first", maintain_order=True)
        tier, possible = (outlook.called(_in_a_row(by, name), tiers) for name in ("index", "high"))
        issued: Any = theirs["issued"].max()
        found.append(Outlook(str(district), issued, mine["station"].n_unique(), days, tier, possible))
    return sorted(found, key=lambda each: each.district)


def _of(place: pl.DataFrame, hours: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """`Outlook.days` of a district in the zone and the places of `place`, by its `hours` (parameter, time, TRACKS)."""
    made, *ends = (
        outlook.days(
            hours.select("parameter", "time", value=track),
            place,
            rules.standards,
            rules.parameters,
            rules.averagings,
        )
        for track in TRACKS
    )
    for track, other in zip(TRACKS[1:], ends, strict=True):
        named = other.select("day", "standard", pl.col("index").alias(track))
        made = made.join(named, on=["day", "standard"], how="left", maintain_order="left")
    return made


def _hours(conn: Connection, voices: pl.DataFrame, said: pl.DataFrame, now: datetime, offset: int) -> pl.DataFrame:
    """parameter, time, TRACKS: the mean of all `voices`, from the local midnight before `now` on; what was measured is
    both ends of its band."""
    local = now + timedelta(minutes=offset)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(minutes=offset)
    windows = voices.select(
        pl.col("series").alias("subject"), pl.lit(midnight, TIME).alias("start"), pl.lit(now, TIME).alias("stop")
    )
    rows = derived.load(conn, derived.AVERAGE, ledger.merge(windows), {"averaging": ["hour"]})
    # Of who speaks and who stands in the one that speaks.
    measured = (
        rows.drop_nulls("value")
        .filter(pl.col("time") < pl.lit(now, TIME).dt.truncate("1h"))
        .join(voices.select("series", "voice", "rank", "parameter"), on="series")
        .sort("rank")
        .unique(["voice", "time"], keep="first", maintain_order=True)
        .with_columns(low="value", high="value")
    )
    named = said.rename({"series": "voice"}).join(voices.filter(rank=0).select("voice", "parameter"), on="voice")
    ahead = named.filter(pl.col("time") >= midnight).join(measured, on=["voice", "time"], how="anti")
    columns = ["parameter", "time", *TRACKS]
    every = pl.concat([measured.select(columns), ahead.select(columns)])
    return every.group_by("parameter", "time").agg(pl.col(TRACKS).mean())


def _in_a_row(days: pl.DataFrame, name: str) -> list[float | None]:
    """`name` of each day from the first to the last; None of days that are not known."""
    if days.is_empty():
        return []
    known = dict(days.select("day", name).iter_rows())
    first, last = min(known), max(known)
    return [known.get(first + timedelta(days=number)) for number in range((last - first).days + 1)]


def main(
    at: Annotated[str | None, typer.Option("--at", help="What was forecast by this time, with an offset; now.")] = None,
    language: Annotated[Language, typer.Option("--language", help="Of the words.")] = Language.zh,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Say the index of today and the days ahead, from what was measured and forecast, and the warning they call for.

    Beside the index stand those of both ends of the band, if all hours came at that end. The tiers are those of
    `tiers.toml`: of Beijing's plan. It is advice: nothing here declares a warning.
    """
    now = console.now() if at is None else instant(at, "--at")
    assert now is not None
    with console.store(dsn) as conn, connection.reading(conn):
        found = run(conn, now)
    if as_json:
        print(json.dumps([_plain(each) for each in found], default=str, ensure_ascii=False))
        return
    if not found:
        console.people.print(text("outlook_none", language))
    for each in found:
        console.show(_table(each, language))
        for line in _words(each, language):
            print(line)


def _plain(each: Outlook) -> dict[str, Any]:
    name = {"tier": each.tier, "possible": each.possible}
    tiers = {key: None if tier is None else tier.name for key, tier in name.items()}
    facts = {"district": each.district, "issued": each.issued.isoformat(), "stations": each.stations}
    return {**facts, **tiers, "days": each.days.to_dicts()}


def _table(each: Outlook, language: Language) -> Table:
    out = Table(box=None, pad_edge=False, title=each.district or None)
    for name in ("day", "standard", "index", "band", "primary"):
        out.add_column(text(f"outlook_{name}", language), justify="right" if name in ("index", "band") else "left")
    for row in each.days.iter_rows(named=True):
        band = "" if row["low"] is None or row["high"] is None else f"{row['low']}–{row['high']}"
        out.add_row(
            str(row["day"]),
            row["standard"],
            "?" if row["index"] is None else str(row["index"]),
            band,
            row["primary"] or "",
        )
    return out


def _words(each: Outlook, language: Language) -> Iterator[str]:
    if each.tier is None:
        yield text("outlook_calm", language)
    else:
        yield text("outlook_tier", language, tier=choose(each.tier.title, each.tier.title_zh, language))
    if each.possible is not None and each.possible != each.tier:
        yield text("outlook_possible", language, tier=choose(each.possible.title, each.possible.title_zh, language))

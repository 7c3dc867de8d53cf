"""Hints on sets whose sources are known: openair's definitions, what its manual says, and works near Pittsburgh."""

import numpy as np
import polars as pl
import pytest

from analytics.hints import candidates, winds
from analytics.hints.candidates import ASIDE
from tests.conftest import needs_shared
from tests.published import hints_report
from tests.published.hints_report import CLAIRTON, OPENAIR, SOURCES, THOMSON, Said

pytestmark = needs_shared


@pytest.fixture(scope="module")
def pittsburgh() -> pl.DataFrame:
    return hints_report.pittsburgh()


@pytest.mark.parametrize("high", [75, 95])
def test_probabilities_are_those_of_openair(high: float) -> None:
    """`cpf` of polarPlot in the bins of polarFreq, in its own words: no row that lacks anything, a direction of 0 is
    one of 360, bins of 10 * ceiling(wd / 10 - 0.5) and ceiling(ws), length(which(x > Pval)) / length(x)."""
    rows = hints_report.london("so2").drop_nulls(["value", "speed", "direction"])
    value, ws, wd = (rows[name].to_numpy() for name in ("value", "speed", "direction"))
    line = np.quantile(value, high / 100)
    wd = 10 * np.ceil(np.where(wd == 0, 360, wd) / 10 - 0.5)
    blows = ws > 0  # calm is no direction here
    both = np.stack([wd, np.ceil(ws)])[:, blows]
    for told, keys in (
        (winds.cells(rows, high=high, calm=0.0), both),
        (winds.sectors(rows, high=high, calm=0.0).filter(pl.col("wind") == "from"), both[:1]),
    ):
        found, where = np.unique(keys, axis=1, return_inverse=True)
        count, over = (np.bincount(where, weights=each[blows]) for each in (np.ones(value.size), value > line))
        names = ["sector", "speed"][: len(found)]
        assert np.array_equal(told.select(names).to_numpy().T, found)
        assert np.array_equal(told["count"].to_numpy(), count)
        assert np.allclose(told["probability"].to_numpy(), over / count, atol=1e-6)


@pytest.mark.parametrize("said", OPENAIR, ids=[said.words for said in OPENAIR])
def test_what_the_manual_says_of_marylebone_road(said: Said) -> None:
    assert hints_report.found(said)[2]


def test_the_manual_sees_two_sources_and_at_higher_values_one() -> None:
    found = {high: hints_report.eastern(high) for high in SOURCES}
    assert {high: tops.height for high, tops in found.items()} == SOURCES
    assert found[90.0]["speed"].max() > found[95.0]["speed"].max()  # type: ignore[operator]  # numbers


def test_top_sectors_point_at_the_known_works_in_both_halves(pittsburgh: pl.DataFrame) -> None:
    bearings = {
        (row["series"], row["emitter"]): row["bearing"]
        for row in candidates.bearings(hints_report.places(), hints_report.works()).to_dicts()
    }
    for number, works in ((1, CLAIRTON), (2, CLAIRTON), (3, THOMSON)):
        for part in hints_report.halves(pittsburgh.filter(series=number)).values():
            off = winds.apart(hints_report.top(part)["sector"], bearings[number, works.name])
            assert off <= ASIDE


def test_the_known_works_come_first_among_emitters(pittsburgh: pl.DataFrame) -> None:
    first = hints_report.seen(pittsburgh).unique("series", keep="first").sort("series")
    assert first["emitter"].to_list() == [CLAIRTON.name, CLAIRTON.name, THOMSON.name, "ALCOSAN"]
    assert first["p"].max() < 0.01  # type: ignore[operator]  # numbers

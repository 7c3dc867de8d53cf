"""Fixtures of the tests of the made-up district: made once, and only looked at."""

import numpy as np
import polars as pl
import pytest

from analytics.synthetic import District, almanac, instruments
from analytics.synthetic.layout import CHANNELS
from tests.synthetic.period import FOUR_HOURS, KEY, START, STOP, TEN


@pytest.fixture(scope="session")
def made() -> District:
    return District(11)


@pytest.fixture(scope="session")
def tens(made: District) -> pl.DataFrame:
    return made.readings(START, STOP, TEN).sort(KEY)


@pytest.fixture(scope="session")
def fours(made: District) -> pl.DataFrame:
    return made.readings(START, STOP, FOUR_HOURS).sort(KEY)


@pytest.fixture(scope="session")
def truth(made: District) -> pl.DataFrame:
    return made.truth(START, STOP)


@pytest.fixture(scope="session")
def sound(made: District) -> pl.DataFrame:
    """What the same instruments would have read without a fault."""
    at = np.arange(almanac.minutes(START), almanac.minutes(STOP), 10, dtype=np.int64)
    parts = []
    for letter in CHANNELS:
        sites = [site for site in made.stations() if site.letter == letter]
        values, _ = instruments.sound(made.world, 1, sites, at, 10)
        codes = pl.Series("station", np.repeat([site.code for site in sites], at.size))
        for name, found in values.items():
            frame = {"time": almanac.times(np.tile(at, len(sites))), "value": found.reshape(-1)}
            parts.append(pl.DataFrame({"station": codes, **frame}).with_columns(parameter=pl.lit(name)))
    return pl.concat(parts).select(*KEY, "value").sort(KEY)

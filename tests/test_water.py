"""The class of a section: by eye, against the obvious loop, and against what the national network published."""

import csv
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import assessment, averaging, parameters, standards
from analytics.frames import ASSESSMENTS, SERIES, TIME, conform
from analytics.store.connection import Connection
from tests import world
from tests.conftest import SHARED, needs_shared
from tests.published import fit_lakes, water_report
from tests.rows import averages

STANDARDS = standards.load()
T0 = datetime(2024, 5, 1, tzinfo=UTC)
INDICATORS = STANDARDS.indicators.filter(pl.col("judged") == 1)["parameter"].to_list()
#: water_rules.toml, [class.vector_section]; total nitrogen does not count.
VECTOR = {
    "ph": 8.1,
    "dissolved_oxygen": 6.4,
    "codmn": 5.2,
    "cod": 22.0,
    "bod5": 3.6,
    "nh3n": 0.82,
    "tp": 0.23,
    "tn": 6.0,
}


Bodies = Mapping[str, tuple[date | None, date | None]]


def station(bodies: Bodies | None = None, number: int = 1) -> pl.DataFrame:
    """A station in Beijing time, on water bodies of some days."""
    places = [{"place": f"water_body:{name}", "since": a, "until": b} for name, (a, b) in (bodies or {}).items()]
    return pl.DataFrame(
        {"station": [number], "offset": [480], "places": [places]},
        schema_overrides={"station": pl.Int32, "places": standards.PLACES},
    )


LAKE: Bodies = {"lake": (None, None)}


def judged(values: Mapping[str, float | None], averaging: str = "hour", bodies: Bodies | None = None) -> dict[str, Any]:
    """The one row of `values`, without station and time; nothing where there is none."""
    made = assessment.assess(averages(values, T0, averaging), station(bodies), STANDARDS)
    assert made.schema == pl.Schema(ASSESSMENTS)
    assert made.height <= 1
    return made.drop("station", "time").row(0, named=True) if made.height else {}


def grade(values: Mapping[str, float | None], bodies: Bodies | None = None) -> int:
    return int(judged(values, bodies=bodies)["class"])


def test_the_section_of_the_rules_is_class_four_by_phosphorus_and_oxygen_demand() -> None:
    assert judged(VECTOR) == {
        "averaging": "hour",
        "standard": "GB 3838-2002",
        "index": None,
        "class": 4,
        "primary": "tp,cod",
        "count": 7,
        "exceedance": 0.15,
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ph", 1), ("dissolved_oxygen", 2), ("codmn", 3), ("cod", 4), ("bod5", 3), ("nh3n", 3), ("tp", 4)],
)
def test_each_indicator_of_the_section_has_its_class(name: str, expected: int) -> None:
    assert grade({name: VECTOR[name]}) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("nh3n", 0.15, 1),
        ("nh3n", 0.150001, 2),
        ("nh3n", 2.0, 5),
        ("nh3n", 2.1, 6),
        ("dissolved_oxygen", 7.5, 1),
        ("dissolved_oxygen", 7.499999, 2),
        ("dissolved_oxygen", 2.0, 5),
        ("dissolved_oxygen", 1.9, 6),
        ("dissolved_oxygen", 14.0, 1),
        ("ph", 6.0, 1),
        ("ph", 9.0, 1),
        ("ph", 5.99, 6),
        ("ph", 9.01, 6),
        ("cu", 1.0, 2),
        ("cu", 1.1, 6),
        ("hg", 0.00005, 1),
        ("hg", 0.0001, 3),
        ("tp", 0.1 + 0.2, 4),
        ("tp", -0.01, 1),
    ],
)
def test_equal_to_the_limit_meets_it(name: str, value: float, expected: int) -> None:
    assert grade({name: value}) == expected


def test_phosphorus_is_held_against_the_limits_of_the_water_body_of_the_day() -> None:
    assert grade({"tp": 0.06}) == 2
    assert grade({"tp": 0.06}, LAKE) == 4
    dammed: Bodies = {"river": (None, date(2024, 5, 1)), "lake": (date(2024, 5, 1), None)}
    made = assessment.assess(
        pl.concat([averages({"tp": 0.06}, T0 - timedelta(hours=k)) for k in (9, 8)]), station(dammed), STANDARDS
    )
    assert made["class"].to_list() == [2, 4]  # the lake is one from midnight in Beijing, 16:00 UTC


def test_what_is_no_indicator_is_not_in_the_class_and_makes_no_row() -> None:
    assert judged({"tn": 9.0, "fecal_coliform": 1e6, "water_temperature": 20.0, "codmn": None}) == {}
    assert judged({"tn": 9.0, "codmn": 1.0}, bodies=LAKE)["count"] == 1
    assert grade({"tn": 9.0, "codmn": 1.0}, LAKE) == 1


def test_hours_and_days_are_assessed_and_nothing_else() -> None:
    assert judged(VECTOR, "day")["class"] == 4
    assert judged(VECTOR, "moving24") == {}


def test_before_the_edition_there_is_no_class() -> None:
    early = averages(VECTOR, datetime(2002, 5, 31, 15, tzinfo=UTC))
    assert assessment.assess(early, station(), STANDARDS).height == 0
    assert (
        assessment.assess(early.with_columns(pl.col("time") + pl.duration(hours=1)), station(), STANDARDS).height == 1
    )


def test_main_pollutants_are_three_at_most_worst_class_first_then_by_multiple() -> None:
    bad = {"codmn": 9.0, "cod": 35.0, "bod5": 6.0, "nh3n": 1.4, "tp": 0.3, "ph": 7.0}
    row = judged(bad)  # cod is class V; the others IV with multiples 0.5, 0.5, 0.4, 0.5
    assert (row["class"], row["primary"], row["exceedance"]) == (5, "cod,codmn,bod5", 0.75)


def test_cyanide_and_heavy_metals_are_named_before_worse_ones_when_they_exceed() -> None:
    row = judged({"nh3n": 9.0, "hg": 0.0002, "pb": 0.05})
    assert (row["class"], row["primary"], row["exceedance"]) == (6, "hg,nh3n", 1.0)


def test_oxygen_and_acidity_are_named_without_a_multiple() -> None:
    row = judged({"dissolved_oxygen": 1.0, "ph": 7.0})
    assert (row["class"], row["primary"], row["exceedance"]) == (6, "dissolved_oxygen", None)
    row = judged({"dissolved_oxygen": 1.0, "ph": 9.5, "nh3n": 1.25})
    assert (row["primary"], row["exceedance"]) == ("ph,dissolved_oxygen,nh3n", 0.25)


def test_up_to_class_three_nothing_is_named() -> None:
    row = judged({"nh3n": 1.0, "cod": 20.0})
    assert (row["class"], row["primary"], row["exceedance"], row["count"]) == (3, None, None, 2)


def test_decimals_before_the_class_are_a_column_of_the_table() -> None:
    contents = standards.tables()
    rows = contents["standards/gb3838_indicators"]
    assert isinstance(rows, list)
    contents["standards/gb3838_indicators"] = [{**row, "decimals": "1"} for row in rows]
    rounding = standards.parse(contents)
    for value, expected in [(6.05, 3), (6.050001, 4), (6.15, 4)]:
        made = assessment.assess(averages({"codmn": value}, T0), station(), rounding)
        assert made["class"].to_list() == [expected]


def test_an_analyser_of_every_four_hours_has_hours_and_a_day() -> None:
    """From readings to the class of the day: six parts are a day, five are enough, four are not."""
    series = conform(
        pl.DataFrame(
            [{"series": 1, "station": 1, "parameter": "nh3n", "position": "", "statistic": "", "cadence": 14400}]
        ).with_columns(offset=480),
        SERIES,
    )
    start = datetime(2024, 4, 30, 16, tzinfo=UTC)
    for readings, value in [(6, 1.2), (5, 1.2), (4, None)]:
        rows = pl.DataFrame({"time": [start + timedelta(hours=4 * k) for k in range(readings)]}, schema={"time": TIME})
        rows = rows.with_columns(series=pl.lit(1, pl.Int32), value=1.2, mark=None, code=pl.lit(None, pl.Int16))
        known, rules = parameters.load(), averaging.load()
        hours = averaging.hours(rows, series, known, rules)
        assert hours.select("value", "count", "expected").unique().rows() == [(1.2, 1, 1)]
        day = averaging.windows(hours, series, known, rules).filter(averaging="day")
        assert day.select("time", "value", "count", "expected").rows() == [(start, value, readings, 6)]
        found = pl.concat([hours, day]).with_columns(station=1, parameter=pl.lit("nh3n"))
        made = assessment.assess(found.with_columns(pl.col("station").cast(pl.Int32)), station(), STANDARDS)
        assert made["averaging"].value_counts().sort("averaging").rows() == [
            *([("day", 1)] if value else []),
            ("hour", readings),
        ]
        assert made["class"].unique().to_list() == [4]


def class_of(name: str, value: float, body: str) -> int:
    """The obvious loop, on the table of the sources."""
    exact = Fraction(round(value * 10**6), 10**6)
    for number, low, high in (
        STANDARDS.water.filter(parameter=name, water_body=body).select("class", "low", "high").sort("class").iter_rows()
    ):
        if (low is None or exact >= Fraction(str(low))) and (high is None or exact <= Fraction(str(high))):
            return int(number)
    return 6


VALUES = st.dictionaries(
    st.sampled_from(INDICATORS),
    st.one_of(
        st.integers(-5, 40_000_000).map(lambda n: n / 1e6),
        st.sampled_from(sorted({v for c in ("low", "high") for v in STANDARDS.water[c].drop_nulls()})),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.sampled_from(["river", "lake"]))
def test_the_obvious_loop_agrees(values: dict[str, float], body: str) -> None:
    each = {name: class_of(name, value, body) for name, value in values.items()}
    row = judged(values, bodies={body: (None, None)})
    assert (row["class"], row["count"]) == (max(each.values()), len(values))
    over = {name for name, number in each.items() if number > 3}
    named = row["primary"].split(",") if row["primary"] else []
    assert len(named) == min(len(over), 3)
    assert set(named) <= over
    rest = [name for name in over if name not in named]
    heavy = {"hg", "pb", "cd", "cr6", "as", "cn"}
    # Nobody left out would have been named before one who is named.
    assert all((n in heavy, each[n]) >= (r in heavy, each[r]) for n in named for r in rest)


@settings(max_examples=20, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=5))
def test_a_row_depends_on_its_own_station_and_time_alone(hours: list[dict[str, float]]) -> None:
    parts = [averages(values, T0 + timedelta(hours=k)) for k, values in enumerate(hours)]
    whole = assessment.assess(pl.concat(parts), station(), STANDARDS)
    single = pl.concat([assessment.assess(part, station(), STANDARDS) for part in parts])
    assert_frame_equal(whole, single)
    shuffled = pl.concat(parts).sample(fraction=1, shuffle=True, seed=1)
    assert_frame_equal(whole, assessment.assess(shuffled, station(), STANDARDS))


def test_a_section_is_a_lake_where_the_table_says_so_or_its_name_has_the_words() -> None:
    assert standards.water_body("上海市", "急水港桥") == "lake"
    assert standards.water_body("北京市", "急水港桥") == "river"
    assert standards.water_body("云南省", "邛海湖心") == "lake"
    assert standards.water_body("云南省", "邛海湖心", parts=False) == "river"
    assert standards.water_body("河南省", "尖岗水库") == "river"  # reservoirs are judged as rivers as often as not


@needs_shared
def test_the_table_of_lakes_is_what_the_fit_gives() -> None:
    with open(fit_lakes.TABLE, encoding="utf-8") as file:
        assert list(csv.reader(file)) == fit_lakes.table()


@needs_shared
def test_limits_are_those_of_the_shared_table() -> None:
    with open(SHARED / "standards" / "water_gb3838_limits.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["I"]]
    assert {row["key"] for row in rows} == set(STANDARDS.indicators["parameter"])
    judged_ = {row["key"] for row in rows if row["in_21_indicators"] == "yes"}
    assert (judged_, len(judged_)) == (set(INDICATORS), 21)
    for row in rows:
        ours = STANDARDS.water.filter(parameter=row["key"], water_body=row["water_body"]).sort("class")
        printed = [tuple(map(float, row[k].split("-"))) for k in ("I", "II", "III", "IV", "V")]
        low, high = ours["low"].to_list(), ours["high"].to_list()
        assert [tuple(v for v in pair if v is not None) for pair in zip(low, high, strict=True)] == printed
        assert (low[0] is None, high[0] is None) == {"le": (True, False), "ge": (False, True), "range": (False, False)}[
            row["direction"]
        ]
        assert ours["source"].unique().to_list() == [row["source"]]
        assert ours["confidence"].unique().to_list() == [row["confidence"]]


@needs_shared
def test_names_of_the_classes_are_those_of_the_shared_table() -> None:
    with open(SHARED / "standards" / "water_quality_grades.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["scope"] == "section"]
    ours = STANDARDS.grades.filter(standard="GB 3838-2002").select("category_zh", "category", "colour")
    assert ours.rows() == [(row["name_cn"], row["name_en"], row["colour"]) for row in rows]


@pytest.fixture(scope="module")
def agreement() -> pl.DataFrame:
    return water_report.agreement().filter("complete")


@needs_shared
@pytest.mark.parametrize(
    ("name", "least", "dark"),
    [("2020-09..12 daily", 0.995, 3), ("2021-04 4-hourly", 0.97, 45), ("2021-04 4-hourly, each row once", 0.97, 45)],
)
def test_published_classes_are_met_and_differences_have_reasons(
    agreement: pl.DataFrame, name: str, least: float, dark: int
) -> None:
    rows = agreement.filter(set=name)
    assert rows.filter(reason="equal")["share"].item() >= least
    assert rows.filter(reason="not explained")["rows"].item() <= dark


@needs_shared
def test_the_network_judges_unrounded_values() -> None:
    equal = dict(water_report.rounding().select("rounding", "equal").iter_rows())
    assert equal["unrounded"] > 0.998
    assert equal["unrounded"] > equal["as printed"] > equal["as the limits"]


def test_averages_of_a_section_are_hours_and_days() -> None:
    known = parameters.load()
    for name in [*INDICATORS, "tn"]:
        assert {"hour", "day"} <= set(known[name].averagings)
    assert set(STANDARDS.water_rules["averaging"]) == {"hour", "day"}


def test_water_and_noise_go_through_the_stages_and_a_late_reading_repairs_them(conn: Connection) -> None:
    """Readings of a lake and of a street, settled; the hour that was missing comes a day late."""
    number = world.settle_world(conn, [("L", "tp")], cadence=14400)[0]
    level = world.settle_world(conn, [("N", "laeq")])[0]
    for code, kind, place in (("L", "water_body", "lake"), ("N", "noise_zone", "4a")):
        conn.execute(
            "INSERT INTO membership (station, kind, place) SELECT id, %s, %s FROM station WHERE code = %s",
            [kind, place, code],
        )
    # Local midnight is 16:00 UTC, 16 hours after T0.
    story: list[world.Reading] = [(number, 16.0 + 4 * k, 0.06, 0, None) for k in range(6)]
    story += [(level, 16.0 + k, 70.0 if 6 <= k < 22 else 57.0, 0, None) for k in range(30)]
    late = [reading for reading in story if reading[1] in (28.0, 40.0)]
    world.send(conn, [reading for reading in story if reading not in late])
    world.settle(conn)
    assert _assessed(conn, "day") == [("L", "GB 3838-2002", 16, 4, "tp", 0.2)]
    assert _assessed(conn, "ld") == [("N", "GB 3096-2008", 22, 1, None, 0.0)]
    nights = [("N", "GB 3096-2008", start, 2, "laeq", 2.0) for start in (14, 38)]
    assert _assessed(conn, "ln") == nights  # six hours of the first one, seven of the second
    assert len(_assessed(conn, "hour")) == 5
    world.send(conn, late)
    world.settle(conn)
    assert len(_assessed(conn, "hour")) == 6
    whole = world.picture(conn)
    world.empty(conn)
    world.send(conn, story)
    world.settle(conn, 50)
    assert world.picture(conn) == whole


def _assessed(conn: Connection, averaging_: str) -> list[tuple[object, ...]]:
    """(station, standard, hours after T0, class, primary, exceedance)."""
    return conn.execute(
        """
        SELECT t.code, d.name, (extract(epoch FROM a.time - %s) / 3600)::int4, a.class, p.name, a.exceedance
        FROM assessment a JOIN station t ON t.id = a.station JOIN term g ON g.id = a.averaging
        JOIN term d ON d.id = a.standard LEFT JOIN term p ON p.id = a.primary WHERE g.name = %s ORDER BY 1, 2, 3
        """,
        [world.T0, averaging_],
    ).fetchall()

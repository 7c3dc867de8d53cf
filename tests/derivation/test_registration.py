"""Which series are derived, from what: what a file may say of it, what it writes, and what it may not."""

from typing import Any

import polars as pl
import pytest

from analytics.store import register, registry
from analytics.store.connection import Connection
from analytics.store.errors import Nonsense
from jobs import register as job
from tests.register.drafts import PARAMETERS, problems

SITE = '[[station]]\ncode = "A"\n' + "".join(
    f'[[station.series]]\nparameter = "{name}"\n' for name in ("air_temperature", "relative_humidity", "water_level")
)


def derivation(*lines: str) -> str:
    """A derivation of station A, `lines` from its third."""
    return "\n".join(["[[derivation]]", 'station = "A"', *lines, ""])


WET = derivation('kind = "wet-bulb"')
TOTAL = derivation('kind = "growing-degree-days"', "given = { base = 8 }") + derivation('kind = "degree-days-total"')


def put(conn: Connection, text: str) -> register.Plan:
    return job.write(conn, register.read(text.encode(), "site.toml", *job.rules(conn)))[0]


def rows(conn: Connection, where: str = "ended IS NULL") -> list[Any]:
    return conn.execute(
        f"""
        SELECT s.parameter, s.position, s.cadence, d.since::text, d.kind, d.roles,
               ARRAY(SELECT i.parameter FROM unnest(d.inputs) WITH ORDINALITY AS u (id, nr)
                     JOIN series i ON i.id = u.id ORDER BY nr), d.given
        FROM derivation d JOIN series s ON s.id = d.series WHERE {where} ORDER BY 1, 2, 4, d.id
        """.encode()
    ).fetchall()


def test_a_derived_series_is_made_with_its_formula_and_registered_again_nothing_is_written(conn: Connection) -> None:
    plan = put(conn, SITE + WET)
    assert plan.count("derivation") == (1, 0, 0)
    assert rows(conn) == [
        (
            "wet_bulb_temperature",
            "",
            3600,
            "-infinity",
            "wet-bulb",
            ["humidity", "temperature"],
            ["relative_humidity", "air_temperature"],
            {},
        )
    ]
    assert put(conn, SITE + WET).changes == []
    assert len(rows(conn, "true")) == 1


def test_another_formula_takes_the_place_of_the_old_one_which_stays_known(conn: Connection) -> None:
    put(conn, SITE + TOTAL)
    said = put(conn, derivation('kind = "growing-degree-days"', "given = { base = 5, upper = 28 }"))
    (change,) = said.changes
    assert (change.noun, change.new) == ("derivation", False)
    assert change.fields == (("base", "8", "5"), ("upper", None, "28"))
    assert [row[7] for row in rows(conn)] == [{"base": 5, "upper": 28}, {}]
    (old,) = rows(conn, "ended IS NOT NULL")
    assert old[7] == {"base": 8}
    put(conn, derivation('kind = "growing-degree-days"'))
    assert rows(conn)[0][7] == {}


def test_a_formula_from_a_day_on_stands_beside_the_one_before_it(conn: Connection) -> None:
    put(conn, SITE + derivation('kind = "time-to-full"', "given = { capacity = 3 }"))
    put(conn, derivation('kind = "time-to-full"', "given = { capacity = 4 }", "since = 2026-03-01"))
    ends = derivation('kind = ""', 'parameter = "time_to_full"', "since = 2026-06-01")
    said = put(conn, ends)
    assert said.changes[0].fields == (("kind", None, "none"),)
    assert [(row[3], row[4], row[7]) for row in rows(conn)] == [
        ("-infinity", "time-to-full", {"capacity": 3}),
        ("2026-03-01", "time-to-full", {"capacity": 4}),
        ("2026-06-01", None, {}),
    ]
    assert put(conn, ends).changes == []


def test_inputs_are_at_other_stations_positions_and_steps_where_the_file_says_so(conn: Connection) -> None:
    other = (
        '[[station]]\ncode = "B"\n[[station.series]]\nparameter = "air_pressure"\nposition = "10"\ncadence = "10m"\n'
    )
    inputs = 'inputs = { pressure = { station = "B", position = "10", cadence = "10m" } }'
    put(conn, SITE + other + derivation('kind = "wet-bulb"', 'position = "roof"', inputs))
    assert rows(conn)[0][:2] == ("wet_bulb_temperature", "roof")
    lineage = conn.execute(
        "SELECT role, input_station, input_parameter, input_position, input_cadence::text FROM report.derivation"
        " ORDER BY 1"
    ).fetchall()
    assert lineage == [
        ("humidity", "A", "relative_humidity", "", "01:00:00"),
        ("pressure", "B", "air_pressure", "10", "00:10:00"),
        ("temperature", "A", "air_temperature", "", "01:00:00"),
    ]


def test_readings_of_what_is_derived_are_refused(conn: Connection) -> None:
    put(conn, SITE + WET)
    pairs = pl.DataFrame({"station": ["A"], "channel": ["wet_bulb_temperature"]})
    found = registry.resolve(conn, pairs, PARAMETERS, None)
    assert found.select("series", "reason").rows() == [(None, "derived series")]


REFUSED = [
    ("kind", derivation('kind = "wet-blub"'), 3, "unknown kind of derivation 'wet-blub': did you mean 'wet-bulb'?"),
    ("no kind", derivation('position = "x"'), 1, "'kind' is missing"),
    ("no station", '[[derivation]]\nkind = "wet-bulb"\n', 1, "'station' is missing"),
    ("key", derivation('kind = "wet-bulb"', 'input = "x"'), 4, "unknown key 'input'"),
    ("end without a day", derivation('kind = ""', 'parameter = "time_to_full"'), 3, "derived until a day"),
    ("end of nothing", derivation('kind = ""', "since = 2026-01-01"), 3, "derived until a day"),
    ("other output", derivation('kind = "wet-bulb"', 'parameter = "rain"'), 4, "makes wet_bulb_temperature, not rain"),
    ("inputs as text", derivation('kind = "wet-bulb"', 'inputs = "x"'), 4, "inputs must be a table: write inputs = {"),
    ("input as text", derivation('kind = "wet-bulb"', 'inputs = { humidity = "x" }'), 4, "humidity must be a table"),
    (
        "role",
        derivation('kind = "wet-bulb"', "inputs = { wind = {} }"),
        4,
        "unknown input of wet-bulb 'wind': known are",
    ),
    ("key of a role", derivation('kind = "wet-bulb"', "inputs = { humidity = { statistic = 1 } }"), 4, "unknown key"),
    (
        "parameter of a role",
        derivation('kind = "wet-bulb"', 'inputs = { humidity = { parameter = "rain" } }'),
        4,
        "humidity of wet-bulb can be relative_humidity, not rain",
    ),
    ("nothing given", derivation('kind = "time-to-full"'), 1, "time-to-full needs given = { capacity = ... } [m]"),
    ("given as text", derivation('kind = "time-to-full"', 'given = { capacity = "x" }'), 4, "write a number"),
    ("given too large", derivation('kind = "time-to-full"', "given = { capacity = 1e9 }"), 4, "outside -500 to 9000 m"),
    ("given unknown", derivation('kind = "wet-bulb"', "given = { height = 1 }"), 4, "unknown key 'height'"),
    ("given no table", derivation('kind = "wet-bulb"', "given = 5"), 4, "given must be a table: write given = {"),
    ("no such station", WET.replace('"A"', '"Q"'), 1, "names station 'Q', neither registered nor in this file"),
    (
        "no such series",
        SITE + derivation('kind = "wet-bulb"', 'inputs = { humidity = { cadence = "10m" } }'),
        9,
        "humidity of A wet_bulb_temperature is A relative_humidity 10m, neither registered nor in this file:"
        " there are A relative_humidity 1h",
    ),
    ("said twice", SITE + WET + derivation('kind = "wet-bulb"', "given = { altitude = 5 }"), 12, "at line 9"),
]


@pytest.mark.parametrize(("text", "line", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_derived_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    told = problems(text)
    assert any(one.startswith(f"site.toml:{line}: ") and says in one for one in told), told


def test_a_series_that_is_measured_is_not_derived(conn: Connection) -> None:
    put(conn, SITE + '[[station.series]]\nparameter = "wet_bulb_temperature"\n')
    with pytest.raises(Nonsense, match="registered as one that is measured: give the derived one another position"):
        put(conn, WET)
    put(conn, derivation('kind = "wet-bulb"', 'position = "derived"'))
    assert len(rows(conn)) == 1


def part_of(position: str, other: str, *more: str) -> str:
    """A sum of sums: there is no use in it, and nothing else can go round in circles."""
    return derivation(
        'kind = "again"', f'position = "{position}"', f'inputs = {{ part = {{ position = "{other}" }} }}', *more
    )


@pytest.fixture
def circular(conn: Connection) -> Connection:
    """A store whose tables know a kind that is made of what it makes."""
    conn.execute(
        """
        UPDATE edition SET rows = jsonb_set(rows, '{again}', jsonb_set(rows->'degree-days-total', '{inputs,part}',
            '{"parameters": ["degree_days_total"]}')) WHERE name = 'derivations'
        """
    )
    return conn


def test_nothing_is_derived_from_itself(circular: Connection) -> None:
    put(circular, SITE + TOTAL)
    with pytest.raises(Nonsense) as refused:
        put(circular, part_of("x", "x"))
    assert "A degree_days_total@x is derived from itself: A degree_days_total@x 1h <- A degree_days_total@x 1h" in str(
        refused.value
    )
    put(circular, part_of("x", "") + part_of("y", "x"))
    before = rows(circular)
    # Neither by what is registered already, nor from another day on.
    with pytest.raises(Nonsense) as refused:
        put(circular, part_of("x", "y", "since = 2030-01-01"))
    said = (
        "A degree_days_total@x since 2030-01-01 is derived from itself: A degree_days_total@x 1h <- A degree_days_tota"
    )
    assert said in str(refused.value)
    assert rows(circular) == before
    # What replaces the way round is no circle.
    put(circular, part_of("y", "") + part_of("x", "y"))


def test_a_plan_says_what_would_be_derived_and_writes_nothing(conn: Connection) -> None:
    put(conn, SITE)
    draft = register.read((TOTAL + WET).encode(), "site.toml", *job.rules(conn))
    plan = job.look(conn, draft)
    assert [change.subject for change in plan.changes] == [
        "A degree_days",
        "A degree_days_total",
        "A wet_bulb_temperature",
    ]
    assert rows(conn) == []

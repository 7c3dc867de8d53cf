"""The summary: drawn from small frames whose picture is seen by eye, and read from a store that was just filled."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from rich.console import Console
from rich.text import Text

from analytics import standards
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from analytics.texts import SUBJECTS, TEXTS, Language, choose, text
from jobs import board, chain, summary
from jobs.summary import Facts, Run
from jobs.summary.calendar import calendar
from jobs.summary.now import curve
from jobs.summary.parts import cell

CLASSES = standards.load().classes.unique("level", keep="last").sort("level")
STATION = {"title": "Synthetic station", "title_zh": "合成站点", "hours": 90, "expected": 100, "suspect": 3, "fail": 1}
LIMITS = {"standard": "GB 3095-2012", "phase": "base", "limit": 75.0, "unit": "µg/m³"}
EDITION = {"standard": "HJ 633-2012", "certain": 100, "found": 7, "memory": 3}
WORK = [chain.Work(stage, written={"flag": 100, "hour": 900}.get(stage, 0), seconds=1.0) for stage in chain.STAGES]
LATE = [chain.Work(stage, written={"flag": 1, "hour": 9}.get(stage, 0), seconds=0.1) for stage in chain.STAGES]


def facts(classes: Mapping[str, Sequence[int | None]], first: date = date(2026, 1, 30)) -> Facts:
    """Facts of stations whose days have these classes one after another; 0 is a day of which nothing is known."""
    days = [
        (
            code,
            first + timedelta(days=n),
            None if level is None else 50 * level,
            level,
            "pm25,o3" if level == 3 else "pm10",
        )
        for code, levels in classes.items()
        for n, level in enumerate(levels)
        if level != 0
    ]
    schema = {"code": pl.String, "day": pl.Date, "index": pl.Int16, "class": pl.Int16, "primary": pl.String}
    last = first + timedelta(days=max(map(len, classes.values())) - 1)
    return Facts(
        counts=Counts(read=10, new=6, replaced=1, duplicates=1, missing=1, rejects=1),
        series=4,
        first=first,
        last=last,
        due=0,
        stations=pl.DataFrame([{"station": n, "code": code, **STATION} for n, code in enumerate(classes)]),
        days=pl.DataFrame(days, schema=schema, orient="row"),
        limits=pl.DataFrame([{**LIMITS, "parameter": "pm25", "above": 2, "assessed": 12, "highest": 150.0}]),
        editions=pl.DataFrame([{**EDITION, "first": first, "last": last, "days": 12}]),
        classes=CLASSES,
    )


def drawn(
    made: Facts,
    *,
    width: int = 80,
    colour: bool = False,
    run: Run | None = None,
    language: Language = Language.both,
    seen: board.Board | None = None,
) -> list[str]:
    """The lines that a terminal of `width` columns shows."""
    system = "truecolor" if colour else None
    out = Console(file=io.StringIO(), width=width, color_system=system, force_terminal=colour, highlight=False)  # type: ignore[arg-type]
    for part in summary.render(made, run, language, width, colour=colour, board=seen):
        out.print(part)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def strip(made: Facts, width: int = 80) -> list[str]:
    """The lines of the calendar, without its title and legend."""
    out = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    for part in calendar(made, Language.en, width, colour=False):
        out.print(part)
    assert isinstance(out.file, io.StringIO)
    lines = out.file.getvalue().splitlines()[1:]
    return [
        line.rstrip() for line in lines[: next(n for n, line in enumerate(lines) if line.startswith("1 excellent"))]
    ]


def test_a_line_a_station_and_a_cell_a_day() -> None:
    made = facts({"A": [1, 2, 3, None, 0, 6, 5, 4, 3, 2], "BB": [1] * 10})
    assert strip(made) == ["     2026-02", "A  123?·65432", "BB 1111111111"]


def test_months_are_named_where_they_begin() -> None:
    made = facts({"A": [1] * 70}, date(2025, 12, 1))
    assert strip(made, 100)[0] == "  2025-12                        2026-01                        2026-02"


def test_days_go_on_in_another_line_that_begins_with_a_month() -> None:
    made = facts({"A": [1] * 31 + [2] * 31 + [3] * 9}, date(2025, 12, 1))
    lines = strip(made, 66)
    assert lines[1] == "A " + "1" * 31 + "2" * 31
    assert lines[2:] == ["  2026-02", "A " + "3" * 9]


def test_of_years_a_pair_of_cells_is_a_month_its_median_and_its_worst_day() -> None:
    month = [1, 1, 5, 2, 2, 1, 3] + [2] * 21
    made = facts({f"S{n:02}": month * 39 for n in range(12)}, date(2023, 1, 1))
    lines = strip(made)
    assert lines[0] == "    2023                    2024                    2025"
    assert lines[1].startswith("S00 25252525")
    assert len(lines[1]) == 4 + 2 * 36


def test_of_a_year_of_many_stations_a_pair_of_cells_is_a_week() -> None:
    made = facts({f"S{n:02}": [1, 2, 2, 3, 3, 4, 6] * 52 for n in range(20)}, date(2024, 1, 1))
    lines = strip(made, 120)
    assert lines[0].startswith("    2024-01   2024-02 2024-03 ")
    assert lines[1] == "S00 " + "36" * 52


def test_more_stations_than_fit_are_counted() -> None:
    lines = drawn(facts({f"S{n:03}": [1] for n in range(100)}))
    assert any("76 more stations" in line for line in lines)


def test_a_class_has_its_official_colour() -> None:
    text_ = "\n".join(drawn(facts({"A": [1, 6]}), colour=True))
    assert "\x1b[48;2;0;228;0m " in text_  # #00E400
    assert "\x1b[48;2;126;0;35m " in text_  # #7E0023
    assert cell(2, {2: "#FFFF00"}, colour=True).plain == " "


def test_without_colour_there_is_no_escape_code_and_the_legend_says_the_digits() -> None:
    lines = drawn(facts({"A": [1, 2, 3, 4, 5, 6]}))
    assert not any("\x1b" in line for line in lines)
    for words in ("1 excellent 优", "6 severely polluted 严重污染"):
        assert any(words in line for line in lines)


def test_bars_share_their_cells_as_the_days_are() -> None:
    line = next(
        line for line in drawn(facts({"A": [1] * 6 + [2] * 3 + [3] * 3})) if line.startswith("A ") and "%" in line
    )
    bar = line.split()[2]
    assert [bar.count(level) / len(bar) for level in "123"] == pytest.approx([0.5, 0.25, 0.25], abs=0.05)
    assert "75 %" in line
    assert "02-08 150 PM2.5,O3" in line
    assert "90.0 %" in line


def test_counts_are_shown_as_a_sum_that_adds_up() -> None:
    lines = drawn(facts({"A": [1]}))
    assert "10 cells read = 6 new + 1 replaced + 1 duplicates + 1 missing + 1 rejects" in lines


def test_synthetic_stations_are_called_so_and_others_not() -> None:
    made = facts({"A": [1]})
    for language, words in ((Language.en, "SYNTHETIC DATA"), (Language.zh, "合成数据")):
        assert any(words in line for line in drawn(made, language=language))
    real = replace(made, stations=made.stations.with_columns(title=pl.lit("Park"), title_zh=pl.lit("公园")))
    assert not any("SYNTHETIC" in line or "合成" in line for line in drawn(real))


def test_limits_name_edition_and_what_is_unverified() -> None:
    lines = drawn(facts({"A": [1, 3]}))
    assert any(line.startswith("PM2.5") and "GB 3095-2012" in line and "75 µg/m³" in line for line in lines)
    assert any("100 certain, 7 found, 3 from memory" in line for line in lines)
    assert any("unverified" in line for line in lines)


def test_pollutants_of_one_index_share_its_day() -> None:
    lines = drawn(facts({"A": [2, 3]}))
    assert [line.split()[:2] for line in lines if "█" in line] == [
        ["PM10", "50.0%"],
        ["O3", "25.0%"],
        ["PM2.5", "25.0%"],
    ]


def test_the_repair_is_shown_against_everything() -> None:
    run = Run(1.0, 1000, WORK, LATE, late=9, dsn='"$(cat dsn)"')
    lines = drawn(facts({"A": [1, 2]}), run=run)
    assert any(line.split()[:5] == ["all", "合计", "1,000", "10", "1.0%"] for line in lines)
    assert any("9 readings arrived" in line for line in lines)
    assert any("hours" in line for line in lines)
    assert not any("derived" in line for line in lines)
    busy = [chain.Work(stage, written=5, seconds=0.1) for stage in chain.STAGES]
    names = [TEXTS[f"stage_{stage}"][0] for stage in chain.STAGES]
    everything = drawn(facts({"A": [1, 2]}), run=replace(run, settle=busy, repair=busy))
    assert all(any(name in line for line in everything) for name in names)
    assert any('psql "$DSN"' in line for line in lines)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("colour", [True, False])
def test_no_line_is_wider_than_the_terminal(language: Language, width: int, colour: bool) -> None:
    run = Run(1.0, 1000, WORK, LATE, late=9, dsn="x" * 100)
    many = {f"奥体中心的一个很长的名字{n}": [1, 2, 3, 4, 5, 6] * 200 for n in range(30)}
    for made in (facts({"A": [1, 2, 3]}), facts(many), replace(facts({"A": [1]}), due=5)):
        lines = drawn(made, width=width, run=run, language=language, colour=colour)
        assert max(Text.from_ansi(line).cell_len for line in lines) <= width


TILES = [
    board.Tile(
        "SYN-A01", "Synthetic air station 1, riverside", "air", "pm25", "PM2.5", 75.25, "µg/m³", "99 · good", "#FF0"
    ),
    board.Tile("SYN-A02", "合成空气站2·集市" * 4, "air", "pm25", "PM2.5", None, "µg/m³", age=timedelta(hours=3)),
    board.Tile("SYN-W01", "Section", "water", "ph", "pH", 7.8, "", "III · good", "green", silent=False),
]
ROW = {"code": "SYN-A01", "title": "Synthetic air station 1", "title_zh": "合成空气站1", "rule": "pm25_24h", "level": 2}
ROW |= {"about": "event"}
TIME = datetime(2026, 1, 30, 4, tzinfo=UTC)
SEEN = board.Board(
    now=TIME,
    places="Synthetic District 合成区",
    synthetic=True,
    tiles={"air": TILES[:2], "water": TILES[2:]},
    alarms=[{**ROW, "state": "firing", "since": TIME}],
    episodes=[{**ROW, "time": TIME, "stop": TIME, "closed": number % 2 == 0, "peak": 180.0} for number in range(20)],
    advice=[
        {
            **ROW,
            "water": True,
            "depth": 12.5,
            "volume": 40.0,
            "minutes": 55.0,
            "latest": TIME,
            "reason": "The root zone is dry. " * 8,
            "reason_zh": "根层缺水。" * 12,
        }
    ],
    facts={"alarms": 1, "episodes": 10, "devices": 1, "zones": 1, "reporting": 1, "stations": 3}
    | {"newest": timedelta(seconds=5)},
)


@pytest.mark.parametrize("language", [Language.en, Language.zh])
@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_board_fits_a_terminal_and_says_what_is_wrong_now(language: Language, width: int) -> None:
    lines = drawn(facts({"A": [1, 2]}), width=width, language=language, seen=SEEN)
    assert max(Text.from_ansi(line).cell_len for line in lines) <= width
    whole = "\n".join(lines)
    for words in (" 75.2 ", "PM2.5 µg/m³", "99 · good", "III · good", TEXTS["firing"][language == "zh"], "12.5 mm"):
        assert words in whole
    assert text("more_rows", language, count=12) in whole
    assert ("Synthetic air station 1, riverside" in whole) is (width > 140)


def test_the_curve_of_a_tile_is_a_block_for_two_hours() -> None:
    tile = replace(TILES[0], past="0.0,41.0 2.0,41.0 4.0,22.0 6.0,22.0 8.0,3.0 10.0,3.0")
    assert curve(tile) == "▁▅█"
    assert curve(TILES[0]) == ""


def test_an_empty_store_says_what_to_do() -> None:
    made = facts({"A": [1]})
    nothing = replace(made, counts=Counts(), days=made.days.clear(), stations=made.stations.clear())
    lines = drawn(nothing)
    assert any("greenwatch demo" in line for line in lines)
    assert any("greenwatch ingest --register" in line for line in lines)
    assert any("greenwatch settle" in line for line in drawn(replace(made, days=made.days.clear())))


def test_no_two_subjects_say_the_same_key() -> None:
    assert sum(len(subject.WORDS) for subject in SUBJECTS) == len(TEXTS)


@pytest.mark.parametrize("key", TEXTS)
def test_every_text_is_there_in_both_languages(key: str) -> None:
    english, chinese = TEXTS[key]
    assert all(sign.isascii() or sign in "×°µ²³" for sign in english)
    assert chinese
    assert set(fields(english)) == set(fields(chinese))


def fields(words: str) -> list[str]:
    return [part.split("}")[0].split(":")[0] for part in words.split("{")[1:]]


def test_language_chooses_the_words() -> None:
    assert text("days", Language.en) == "days"
    assert text("days", Language.zh) == "天数"
    assert text("days") == "days 天数"
    assert choose("good", "良", Language.zh) == "良"
    assert choose("good", "", Language.zh) == "good"


def shown(conn: Connection, **words: Run) -> str:
    out = Console(file=io.StringIO(), width=100, color_system=None, highlight=False)
    summary.show(conn, out, run=words.get("run"))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_a_fresh_store_is_empty(conn: Connection) -> None:
    assert "Nothing here yet" in shown(conn)

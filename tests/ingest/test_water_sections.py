"""China's water sections: answers, crawled files and tables say the same; a year is found where none is written."""

import gzip
import json
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics.frames import Batch
from analytics.ingest import Source, UnreadableSource, recognise
from analytics.ingest.china_water import COLUMNS, KEYS
from tests.conftest import needs_shared
from tests.ingest.reading import ALL, DATA, Write, held, parquet, whole

WATER = DATA / "china-water-sections"
HEADER = ALL["china-water"].header
HEAD = [*list(KEYS)[:4], *COLUMNS, "站点情况"]


def answer(*rows: list[Any], head: list[Any] | None = None) -> bytes:
    return json.dumps({"thead": HEAD if head is None else head, "tbody": list(rows)}).encode()


def row(stamp: object, *values: object, section: str = "桥") -> list[Any]:
    return ["省", "流域", section, stamp, *values, *[None] * (len(COLUMNS) - len(values)), "正常"]


def read(content: bytes, name: str) -> Batch:
    return whole(held(content, path=Path(name)), "china-water")


def times(stamp: str, name: str) -> list[object]:
    found = read(HEADER + f"\n省,流域,桥,{stamp},Ⅱ".encode() + b"," * 12 + b"\n", name)
    return [*found.cells["time"], *found.rejects["reason"]]


@pytest.mark.parametrize(
    ("stamp", "name", "time"),
    [
        ("03-01 08:00", "2021-03-01.csv", datetime(2021, 3, 1, tzinfo=UTC)),
        ("03-01 23:59", "2021-03-01.csv", datetime(2021, 3, 1, 15, 59, tzinfo=UTC)),
        ("03-02 00:00", "2021-03-01.csv", datetime(2020, 3, 1, 16, tzinfo=UTC)),
        ("12-31 08:00", "2021-01-01.csv", datetime(2020, 12, 31, tzinfo=UTC)),
        ("01-01 00:00", "2021-01-01.csv", datetime(2020, 12, 31, 16, tzinfo=UTC)),
        ("02-29 08:00", "2021-03-01.csv", datetime(2020, 2, 29, tzinfo=UTC)),
        ("04-30 20:00", "2021-04/桥.csv", datetime(2021, 4, 30, 12, tzinfo=UTC)),
        ("05-01 00:00", "2021-04/桥.csv", datetime(2020, 4, 30, 16, tzinfo=UTC)),
        ("04-01 00:00", "2019-01/2021-04-01 桥.csv", datetime(2021, 3, 31, 16, tzinfo=UTC)),
        ("02-29 08:00", "2022-03-01.csv", "unreadable time"),
        ("2021-03-01 08:00", "2021-03-01.csv", "unreadable time"),
        ("3-1 8:00", "2021-03-01.csv", "unreadable time"),
        ("24-01 08:00", "2021-03-01.csv", "unreadable time"),
        ("", "2021-03-01.csv", "unreadable time"),
        ("03-01 08:00", "桥.csv", "time without year"),
        ("03-01 08:00", "2021-13-01.csv", "time without year"),
        ("--", "桥.csv", "unreadable time"),
    ],
)
def test_the_year_is_that_of_the_file_or_the_one_before(stamp: str, name: str, time: object) -> None:
    assert times(stamp, name) == [time]


def test_the_unrounded_number_counts() -> None:
    body = row(
        "03-01 08:00", "Ⅲ", "<span title='原始值：9.99E-05'>0.0</span>", '<b title="原始值:7.125">7.1</b>', "6.5"
    )
    cells = read(answer(body), "2021-03-01.json").cells
    assert dict(cells.select("channel", "value").iter_rows()) == {
        "water_class:published": 3.0,
        "water_temperature": 0.0000999,
        "ph": 7.125,
        "dissolved_oxygen": 6.5,
    }


def test_columns_of_an_answer_stand_in_any_order() -> None:
    turned = read(answer(row("03-01 08:00", "Ⅰ", "5")[::-1], head=HEAD[::-1]), "2021-03-01.json")
    assert turned.cells.equals(read(answer(row("03-01 08:00", "Ⅰ", "5")), "2021-03-01.json").cells)


def test_a_row_of_an_answer_that_is_none_is_one_reject() -> None:
    good = row("03-01 08:00", "Ⅰ")
    odd: list[Any] = [good[:-1], "row \ud800", {"a": 1}, None, [*good[:-1], ["x"]]]
    found = read(answer(good, *odd, good), "2021-03-01.json")
    assert sorted(found.rejects["place"]) == ["row 2", "row 3", "row 4", "row 5", "row 6"]
    assert found.read == 2 * len(COLUMNS) + 5
    assert read(answer(good[:-1]), "2021-03-01.json").read == 1
    assert read(answer(), "2021-03-01.json").read == 0


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"thead": [], "tbody": ' + b"[" * 100_000,
        b'{"thead": {}, "tbody": []}',
        answer(head=HEAD[1:]),
        answer(head=[*HEAD[1:], "?"]),
        answer(head=[*HEAD[1:], "\ud800"]),
        answer(row("03-01 08:00", "Ⅰ"))[:-1] + b', "tbody": []}',
        b'{"thead": []}',
        b'{"thead": "\xff"}',
        b"{" + b" " * 17_000_000 + b"}",
    ],
)
def test_what_is_no_answer_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableSource):
        read(content, "2021-03-01.json")


def table(**columns: list[Any]) -> pl.DataFrame:
    named = {"province": ["省"], "basin": ["流域"], "section": ["桥"], "time_text": ["x"], "water_class": ["劣Ⅴ"]}
    values = {column.table: [0.25] for column in COLUMNS.values() if column.table != "water_class"}
    return pl.DataFrame(
        {**named, **values, "status": ["正常"], "ts_local": [datetime(2021, 4, 1, 8)], **columns}  # noqa: DTZ001
    )


def test_a_table_says_its_step_by_its_columns(on_disk: Write) -> None:
    four_hourly = on_disk(parquet(table()), "a")
    daily = on_disk(parquet(table(file_date=[date(2021, 4, 1)], city=["市"], river=[None])), "b")
    assert [recognise(source) for source in (four_hourly, daily)] == ["china-water"] * 2
    one, other = (whole(source, "china-water") for source in (four_hourly, daily))
    assert one.cells.equals(other.cells)
    assert (one.cells["time"].unique().to_list(), one.read) == ([datetime(2021, 4, 1, tzinfo=UTC)], len(COLUMNS))
    values = dict(one.cells.select("channel", "value").iter_rows())
    assert (values["water_class:published"], values["chlorophyll_a"], values["tp"]) == (6.0, 250.0, 0.25)
    places = {"province": "省", "basin": "流域", "water_body": "river"}
    assert one.stations == {"省-桥": {"title_zh": "桥", "utc_offset": 480, "memberships": places, "cadence": 14_400}}
    assert other.stations["省-桥"] == {
        "title_zh": "桥",
        "utc_offset": 480,
        "memberships": {**places, "city": "市"},
        "cadence": 86_400,
    }


def test_a_table_of_other_columns_is_refused(on_disk: Write) -> None:
    for frame in (
        table().drop("tp_mgl"),
        table(more=[1]),
        table(ts_local=["2021-04-01"]),
        table(ph=[True]),
        table(basin=[[1]]),
    ):
        with pytest.raises(UnreadableSource):
            whole(on_disk(parquet(frame)), "china-water")


def test_a_value_without_a_time_is_a_reject_in_its_own_words(on_disk: Write) -> None:
    found = whole(
        on_disk(parquet(table(ts_local=[None], time_text=["--"]).cast({"ts_local": pl.Datetime("ms")}))), "china-water"
    )
    assert set(found.rejects["reason"]) == {"unreadable time"}
    assert found.rejects.filter(channel="water_class:published").row(0)[:4] == (
        "省-桥",
        "water_class:published",
        "--",
        "劣Ⅴ",
    )


@needs_shared
def test_the_answers_and_the_daily_table_say_the_same() -> None:
    daily = whole(Source(WATER / "sections_daily_2020-05_2020-12.parquet"), "china-water")
    assert (daily.read, daily.rejects.height) == (26_636 * len(COLUMNS), 0)
    keys = ["station", "channel", "time"]
    known = daily.cells.select(*keys, "value").unique()
    differ: list[tuple[float, float]] = []
    for path in sorted((WATER / "raw_json").iterdir()):
        found = whole(Source(path), "china-water")
        rows = len(json.loads(gzip.decompress(path.read_bytes()))["tbody"])
        assert (found.read, found.rejects.height) == (rows * len(COLUMNS), 0)
        # Stale stations: nothing is later than the day the platform was asked, nothing a year older.
        asked = datetime.fromisoformat(path.name[:10]).replace(tzinfo=UTC) + timedelta(hours=16)
        assert ((found.cells["time"] < asked) & (found.cells["time"] >= asked - timedelta(days=366))).all()
        other = found.cells.select(*keys, "value").unique().join(known, on=[*keys, "value"], how="anti")
        differ.extend(other.join(known, on=keys, suffix="_table").select("value", "value_table").rows())
    # Who made the table lost the exponents of nine numbers: 4E-05 mg/L of ammonia stand there as 4.
    powers = [math.log10(value / table) for value, table in differ]
    assert [round(power) for power in powers] == pytest.approx(powers, abs=1e-9)
    assert sorted(map(round, powers)) == [-5, -5, -5, -5, -5, 7, 7, 7, 7]


@needs_shared
def test_the_crawled_files_and_the_four_hourly_table_say_the_same() -> None:
    table = whole(Source(WATER / "sections_4hourly_2021-04-01_05.parquet"), "china-water")
    assert table.read == 46_183 * len(COLUMNS)
    # A row in two hundred has values and no time.
    assert set(table.rejects["reason"]) == {"unreadable time"}
    assert table.rejects["place"].n_unique() == 201
    assert table.cells.height + table.rejects.height == _filled(WATER / "sections_4hourly_2021-04-01_05.parquet")
    known = table.cells.select("station", "channel", "time", "value").unique()
    paths = sorted((WATER / "raw_csv_2021-04").rglob("*.csv"))
    assert len(paths) == 60
    for path in paths:
        found = whole(Source(path), "china-water")
        lines = path.read_bytes().decode().count("\n")
        assert found.read == (lines - 1) * len(COLUMNS)
        assert found.cells.select(known.columns).unique().join(known, on=known.columns, how="anti").is_empty()
        assert set(found.stations) <= {f"{path.parts[-5]}-{path.stem}"}


def _filled(path: Path) -> int:
    """Cells that hold something, counted by their columns."""
    frame = pl.read_parquet(path)
    names = [column.table for column in COLUMNS.values()]
    given = [pl.col(name).is_not_null() for name in names[1:]]
    graded = ~pl.col("water_class").is_in(["", "*", "-", "--"])
    return int(frame.select(pl.sum_horizontal(*(some.sum() for some in given), graded.sum())).item())

"""Parquet tables in the long and the wide form."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.frames import Batch
from analytics.ingest import Source, UnreadableSource, recognise
from tests.ingest.reading import Write, parquet, whole

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001


def frames(frame: pl.DataFrame, on_disk: Write, format: str) -> Batch:
    source = on_disk(parquet(frame))
    assert recognise(source) == format
    return whole(source, format)


def long_frame(**columns: object) -> pl.DataFrame:
    known = {"station": ["A"], "parameter": ["pm25"], "time": [datetime(2026, 1, 1, tzinfo=UTC)], "value": [1.0]}
    return pl.DataFrame(known | columns, strict=False)


def test_parquet_times_need_a_zone(on_disk: Write) -> None:
    naive = frames(long_frame(time=[NAIVE]), on_disk, "long")
    assert naive.rejects.row(0) == ("A", "pm25", "2026-01-01 00:00:00.000000", "1.0", "row 1", "time without offset")
    zoned = frames(long_frame().with_columns(pl.col("time").dt.convert_time_zone("Asia/Kolkata")), on_disk, "long")
    assert zoned.cells["time"][0] == datetime(2026, 1, 1, tzinfo=UTC)
    assert zoned.stations == {"A": {"utc_offset": 330}}
    text = frames(long_frame(time=["2026-01-01T00:00:00Z"]), on_disk, "long")
    assert text.cells["time"][0] == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_parquet_times_far_out_are_rejects(on_disk: Write, unit: str) -> None:
    far = pl.Series([2**62, -(2**62), None], dtype=pl.Int64).cast(pl.Datetime(unit, "Asia/Shanghai"))  # type: ignore[arg-type]
    frame = pl.DataFrame({"station": ["A"] * 3, "time": far, "pm25": [1.0] * 3})
    batch = frames(frame, on_disk, "wide")
    assert sorted(batch.rejects["reason"]) == ["time out of range", "time out of range", "unreadable time"]


def test_parquet_values_keep_their_shortest_decimal(on_disk: Write) -> None:
    values = pl.Series([0.1, float("nan"), None, 1e38], dtype=pl.Float32)
    frame = pl.DataFrame({"station": ["A"] * 4, "time": [datetime(2026, 1, 1, tzinfo=UTC)] * 4, "pm25": values})
    for some in (frame, frame.with_columns(count=pl.lit(3)), frame.with_columns(other=pl.lit(" 4 "))):
        batch = frames(some, on_disk, "wide")
        assert batch.cells.filter(channel="pm25")["value"].to_list() == [0.1, 1e38]
        assert (list(batch.rejects["text"]), batch.missing) == (["NaN"], 1)
        assert batch.read == 4 * (some.width - 2)


@pytest.mark.parametrize(
    "columns",
    [{"value": [[1.0]]}, {"value": [True]}, {"station": [1.5]}, {"time": [5]}, {"mark": [68]}, {"revision": [1.5]}],
)
def test_a_column_of_the_wrong_type_is_refused(on_disk: Write, columns: dict[str, object]) -> None:
    with pytest.raises(UnreadableSource, match=f"column {next(iter(columns))} holds"):
        whole(on_disk(parquet(long_frame(**columns))))


def test_parquet_names_without_text_or_with_a_zero_are_rejects(on_disk: Write) -> None:
    frame = pl.concat(
        [long_frame(), long_frame(station=[None]), long_frame(station=["a\0b"]), long_frame(value=[None])]
    )
    batch = frames(frame, on_disk, "long")
    assert sorted(batch.rejects["reason"]) == ["no station", "unreadable station"]
    assert (batch.cells.height, batch.missing) == (1, 1)
    assert not batch.rejects["station"].str.contains("\0", literal=True).any()


NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False, width=64))
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 30))  # noqa: DTZ001


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("ABC"), TIMES, NUMBERS, NUMBERS), min_size=1, max_size=20),
    hours=st.integers(-12, 14),
    packed=st.booleans(),
)
def test_a_table_comes_back_in_either_form(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, datetime, float | None, float | None]],
    hours: int,
    packed: bool,
) -> None:
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "station": pl.String,
        "time": pl.Datetime("us", "UTC"),
        "pm25": pl.Float64,
        "o3": pl.Float64,
    }
    table = pl.DataFrame([(s, t.replace(tzinfo=UTC), a, b) for s, t, a, b in rows], schema=schema, orient="row")
    long = table.unpivot(index=["station", "time"], variable_name="parameter")
    wanted = long.filter(pl.col("value").is_not_null()).with_columns(pl.col("value") + 0.0)
    order = ["station", "parameter", "time", "value"]
    sign, size = "-" if hours < 0 else "+", abs(hours)
    local = (pl.col("time") + timedelta(hours=hours)).dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{sign}{size:02}:00")
    path = tmp_path_factory.mktemp("table") / "file"
    for frame, format in ((table, "wide"), (long, "long")):
        if packed:
            frame.write_parquet(path)
        else:
            frame.with_columns(local).write_csv(path)
        assert recognise(Source(path)) == format
        batch = whole(Source(path), format)
        got = batch.cells.rename({"channel": "parameter"}).select(order).sort(order)
        assert got.equals(wanted.select(order).sort(order))
        assert (batch.missing, batch.rejects.height) == (long.height - wanted.height, 0)

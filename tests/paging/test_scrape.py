"""What is answered to a scrape: what its library would write, at once, and never more than there is room for."""

import gzip
import time
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

from analytics.frames import TIME
from analytics.metrics import FAMILIES, MOST, UNITS, Exporter, Snapshot, blocks
from tests.benchmarks.scrape import PROMETHEUS, SERIES, snapshot
from tests.scrape import Plainly, openmetrics, read, scrape

OF_ITSELF = ("greenwatch_snapshot_timestamp_seconds", "greenwatch_samples", "greenwatch_samples_omitted")
#: Its names end nowhere before the library's do.
SENT = ("greenwatch_build_info", "greenwatch_database_up", "greenwatch_http", "process_", "python_")
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30)


def of_the_store(found: dict[tuple[str, frozenset[tuple[str, str]]], float]) -> dict[object, float]:
    """Samples but those that a process has of itself."""
    return {key: value for key, value in found.items() if not key[0].startswith((*SENT, *OF_ITSELF))}


@given(
    rows=st.lists(
        st.tuples(
            TEXTS,
            TEXTS,
            st.sampled_from(["", "-0.1"]),
            st.sampled_from([*UNITS, "furlong"]),
            st.one_of(st.floats(), st.none()),
            st.one_of(st.none(), st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1))),  # noqa: DTZ001
        ),
        max_size=20,
        unique_by=lambda row: row[:3],
    ),
    alarms=st.dictionaries(TEXTS, st.integers(0, 9), max_size=10),
)
@settings(deadline=None, max_examples=25)
def test_it_is_what_the_library_writes(rows: list[tuple[object, ...]], alarms: dict[str, int]) -> None:
    labels = ("station", "parameter", "position", "unit")
    schema = {**dict.fromkeys(labels, pl.String()), "value": pl.Float64(), "time": pl.Datetime("us")}
    latest = pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col("time").dt.replace_time_zone("UTC"), domain=pl.lit("air")
    )
    on = pl.DataFrame(
        {"rule": list(alarms), "level": list(alarms.values())}, schema={"rule": pl.String, "level": pl.Int16}
    )
    [gauge] = [family for family in FAMILIES if family.name == "greenwatch_alarm_level"]
    on = on.with_columns(pl.lit(None, pl.String).alias(name) for name in gauge.labels if name != "rule")
    made = Snapshot(datetime(2026, 6, 1, tzinfo=UTC), {"latest": latest, "alarms": on})
    exporter = Exporter("1")
    exporter.show(made)
    expected = of_the_store(read(generate_latest(Plainly(made).registry).decode()))
    assert of_the_store(scrape(exporter)) == pytest.approx(expected, rel=1e-15, abs=0, nan_ok=True)


def test_both_forms_and_both_codings_say_the_same() -> None:
    exporter = Exporter("1")
    exporter.answer(PROMETHEUS, "gzip")  # what is asked for once is made ready from then on
    exporter.show(snapshot(500))
    plain, headers = exporter.answer(PROMETHEUS)
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert "Content-Encoding" not in headers
    packed, headers = exporter.answer(PROMETHEUS, "deflate, GZIP;q=1.0")
    assert headers["Content-Encoding"] == "gzip"
    assert plain.endswith(b"# EOF\n")

    def samples(text: bytes) -> dict[object, float]:
        families = openmetrics(text.decode())
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    of_process = ("process_", "python_")
    both = [samples(plain), samples(gzip.decompress(packed))]
    kept = [{key: value for key, value in one.items() if not str(key).startswith(of_process, 2)} for one in both]
    assert kept[0] == kept[1]
    assert kept[0] == {key: value for key, value in scrape(exporter).items() if not key[0].startswith(of_process)}


def test_a_scrape_of_ten_thousand_series_takes_a_moment() -> None:
    """It is 100 ms that are promised; `python -m tests.benchmarks.scrape` has the figures."""
    exporter = Exporter("1")
    exporter.answer(PROMETHEUS, "gzip")
    exporter.show(snapshot())
    took = []
    for _ in range(20):
        began = time.perf_counter()
        exporter.answer(PROMETHEUS, "gzip")
        took.append(time.perf_counter() - began)
    assert min(took) < 0.1
    assert len(exporter.answer("")[0]) > 2_000_000


def test_samples_of_ten_thousand_series_are_counted() -> None:
    made = {block.family.name: block for block in blocks(snapshot())}
    counts = {name: block.samples for name, block in made.items()}
    newest = sum(count for name, count in counts.items() if name.startswith("greenwatch_latest_")) - SERIES
    assert (counts["greenwatch_latest_timestamp_seconds"], newest) == (SERIES, SERIES)
    assert counts["greenwatch_alarm_level"] == 1_000
    assert counts["greenwatch_clock_offset_seconds"] == 1_500
    assert made["greenwatch_samples_omitted"].lines == "greenwatch_samples_omitted 0.0\n"


@pytest.mark.parametrize("height", [100_000])
def test_a_hostile_registry_has_no_more_room(height: int) -> None:
    """A hundred thousand rows of each frame, a name of as many letters: a page has an end, and says what it lacks."""
    number = pl.int_range(height, eager=True)
    long = pl.Series(["x" * 100_000]).new_from_index(0, 1)
    labels = sorted({label for family in FAMILIES for label in family.labels} | {"unit"})
    columns = {label: number.cast(pl.String) for label in labels}
    values = {family.value for family in FAMILIES} - {"time"}
    columns |= {value: pl.int_range(height, eager=True).alias(value) for value in values}
    whole = pl.DataFrame(columns | {"time": number.cast(TIME)}).with_columns(unit=pl.lit("µg/m³"), value=pl.lit(1.0))
    whole[0, "station"] = str(long[0])
    exporter = Exporter("1")
    made = Snapshot(datetime(2026, 6, 1, tzinfo=UTC), {family.frame: whole for family in FAMILIES})
    counts = {block.family.name: block for block in blocks(made)}
    for family in FAMILIES:
        assert counts[family.name].samples == MOST[family.labels]
        assert counts[family.name].samples + counts[family.name].omitted == height
    exporter.show(made)
    content = exporter.answer("")[0]
    assert len(content) < 40_000_000
    assert max(map(len, content.splitlines())) < 20 * 200
    of_alarms = [line for line in content.decode().splitlines() if line.startswith("greenwatch_alarm_level{")]
    # what is on is served before what is not
    assert min(float(line.rpartition(" ")[2]) for line in of_alarms) == height - len(of_alarms)
    assert float(content.decode().split("greenwatch_samples_omitted ")[-1].split("\n")[0]) > height


def test_every_set_of_labels_has_a_bound_and_prometheus_has_room_for_all() -> None:
    assert {family.labels for family in FAMILIES} == set(MOST)
    together = sum(family.most for family in FAMILIES) + MOST[("station", "parameter", "position", "domain")]
    assert together < 80_000  # as dashboards/prometheus.yml says beside its sample_limit
    # these are Prometheus's own: a label of ours by such a name would be called otherwise
    assert not {"job", "instance", "le", "quantile"} & {label for family in FAMILIES for label in family.labels}

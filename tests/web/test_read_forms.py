"""What /v1 says: the same in every form, the same as an export, its units, offsets and coverage beside it."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx
import polars as pl
import pytest

from jobs.web.read import forms
from jobs.web.read.operations import OPERATIONS
from tests.web.reading import MINUTE, SAME, T0, exported, get, rows, typed

ADDRESSES = [item.path.removeprefix("/v1/").replace("{id}", "1") for item in OPERATIONS]
#: What makes the answer the export's.
ASKED: Mapping[str, Mapping[str, Any]] = {"readings": {"raw": "true"}}


@pytest.mark.parametrize("operation", ADDRESSES)
def test_an_answer_is_the_same_in_every_form(client: httpx.Client, operation: str) -> None:
    parquet = get(client, operation)
    assert parquet.height > 1
    for form in ("csv", "json"):
        found = get(client, operation, form)
        assert found.columns == parquet.columns
        lists = pl.col(pl.List(pl.String)).list.join(";")
        assert typed(found, parquet).equals(parquet.with_columns(lists), null_equal=True), form


@pytest.mark.parametrize("operation", SAME)
def test_an_answer_is_the_export(client: httpx.Client, site: str, operation: str) -> None:
    expected = exported(site, SAME[operation])
    assert expected.height > 1
    found = get(client, operation, limit=100_000, **ASKED.get(operation, {}))
    assert found.select(expected.columns).equals(expected, null_equal=True)


@pytest.mark.parametrize("operation", SAME)
def test_filters_are_those_of_the_export(client: httpx.Client, site: str, operation: str) -> None:
    start, stop = "2026-03-27T05:00+08:00", "2026-03-30T21:30Z"
    asked: dict[str, Any] = {"station": ["A1", "B,2"], "from": start, "to": stop}
    limits: dict[str, Any] = {
        "stations": ["A1", "B,2"],
        "start": datetime.fromisoformat(start),
        "stop": datetime.fromisoformat(stop),
    }
    if operation not in ("assessments",):
        asked["parameter"], limits["parameters"] = "PM2.5", ["pm25"]
    if operation in ("averages", "episodes"):
        asked["averaging"], limits["averagings"] = "moving24", ["moving24"]
    if operation == "assessments":
        asked["standard"], limits["standards"] = "HJ 633-2026", ["HJ 633-2026"]
    expected = exported(site, SAME[operation], **limits)
    found = get(client, operation, limit=100_000, **asked, **ASKED.get(operation, {}))
    assert 0 < expected.height < exported(site, SAME[operation]).height or operation in ("episodes", "forecasts")
    assert found.select(expected.columns).equals(expected, null_equal=True)


def test_only_what_counts_is_told_unless_all_is_asked_for(client: httpx.Client) -> None:
    asked = {"station": "A1", "parameter": "pm25"}
    told, raw = get(client, "readings", **asked), get(client, "readings", raw="true", **asked)
    counts = raw.filter(pl.col("corrected").is_not_null(), ~pl.col("verdict").is_in([4, 9]).fill_null(value=False))
    assert told["time"].to_list() == counts["time"].to_list()
    assert told["value"].to_list() == counts["corrected"].to_list()
    failed = raw.filter(verdict=4)
    assert failed.height > 0
    assert failed["tests"].str.contains("gross_range").all()
    withdrawn = raw.filter(pl.col("corrected").is_null())
    assert {time - T0 for time in withdrawn["time"]} == {n * 10 * MINUTE for n in range(360, 366) if n % 50 != 7}
    changed = raw.filter(pl.col("corrected") != pl.col("value"))
    assert (changed["corrected"] == 2 * changed["value"] + 1).all()
    assert changed.height > 10
    marked = get(client, "readings", raw="true", parameter="rain").filter(mark="D")
    assert marked["verdict"].to_list() == [4] * marked.height
    assert marked.height > 5


def test_units_offsets_and_coverage_stand_beside_each_value(client: httpx.Client) -> None:
    found = get(client, "averages")
    facts = found.select("station", "parameter", "unit", "utc_offset").unique().sort("station", "parameter")
    assert facts.rows() == [
        ("A1", "pm25", "µg/m³", "+08:00"),
        ("A1", "rain", "mm", "+08:00"),
        ("A1", "wind_direction", "°", "+08:00"),
        ("B,2", "o3", "µg/m³", "+05:45"),
        ("B,2", "pm25", "µg/m³", "+05:45"),
        ("C'3", "laeq", "dB", "+08:00"),
    ]
    assert (found["coverage"] == (found["count"] / found["expected"]).round(6)).all()
    few = found.filter(pl.col("averaging") == "hour", pl.col("coverage") < 0.75)
    assert few.height > 5
    assert few["value"].null_count() == few.height


def test_stations_and_series_are_described(client: httpx.Client, site: str) -> None:
    there = client.get("/v1/stations").json()["rows"]
    assert [row["station"] for row in there] == ["A1", "B,2", "C'3"]
    assert there[0] == {
        **{"station": "A1", "title": "Gate", "title_zh": "门", "longitude": 116.4, "latitude": 39.9},
        **{"utc_offset": "+08:00", "places": ["district:South", "grid:G;1"]},
    }
    series = client.get("/v1/series", params={"statistic": "all"}).json()["rows"]
    assert [row["channel"] for row in series] == [
        *("pm25", "pm25:mean-24h", "rain", "wind_direction", "o3", "pm25", "la10", "laeq")
    ]
    assert series[0]["first"] == "2026-03-27T00:00:00Z"
    assert (series[0]["unit"], series[0]["mean"], series[0]["domain"], series[0]["rank"]) == (
        "µg/m³",
        "arithmetic",
        "air",
        0,
    )
    assert not any(row["derived"] for row in series)
    one = series[1]["series"]
    assert get(client, f"series/{one}/readings")["statistic"].unique().to_list() == ["mean-24h"]
    assert get(client, "series", channel="PM2.5:mean-24h")["series"].to_list() == [one]


def test_a_place_counts_as_long_as_a_station_is_in_it(client: httpx.Client) -> None:
    """A1 moves from North to South at its own midnight."""
    moved = "2026-03-28T16:00:00Z"
    everything = get(client, "readings", parameter="pm25")
    north = get(client, "readings", parameter="pm25", place="district:North")
    south = get(client, "readings", parameter="pm25", place="district:South")
    here, line = pl.col("station") == "A1", pl.lit(moved).str.to_datetime(time_zone="UTC", time_unit="us")
    assert north.equals(everything.filter(here & (pl.col("time") < line)))
    assert south.equals(everything.filter((here & (pl.col("time") >= line)) | (pl.col("station") == "B,2")))
    both = get(client, "readings", parameter="pm25", place=["district:North", "district:South", "grid:G;1"])
    assert both.equals(everything)
    assert get(client, "stations", place="district:North")["station"].to_list() == ["A1"]
    assert set(get(client, "assessments", place="district:North")["station"]) == {"A1"}


def test_the_newest_forecast_of_each_series(client: httpx.Client) -> None:
    found = get(client, "forecasts", newest="true")
    issued = dict(found.select("parameter", "issued").unique().iter_rows())
    assert {name: (time - T0).total_seconds() / 3600 for name, time in issued.items()} == {"pm25": 91, "o3": 90}
    assert found.height == 48


def test_the_form_is_negotiated(client: httpx.Client) -> None:
    def kind(accept: str, query: str = "") -> tuple[int, str]:
        answer = client.get(f"/v1/stations{query}", headers={"Accept": accept})
        return answer.status_code, answer.headers["content-type"].partition(";")[0]

    assert kind("*/*") == (200, "application/json")
    assert kind("text/html, text/*;q=0.5, */*;q=0.1") == (200, "text/csv")
    assert kind("application/vnd.apache.parquet, application/json;q=0.9") == (200, "application/vnd.apache.parquet")
    assert kind("application/json;q=0, text/csv;q=0.1") == (200, "text/csv")
    assert kind("text/html") == (406, "application/problem+json")
    assert kind("text/html", "?format=csv") == (200, "text/csv")
    assert kind("x;q=y, ;;,") == (200, "application/json")
    assert client.get("/v1/stations?format=xml").status_code == 400


@pytest.mark.parametrize("form", forms.FORMS)
def test_nothing_has_its_columns(client: httpx.Client, form: str) -> None:
    for operation in SAME:
        answer = client.get(f"/v1/{operation}", params={"from": "2030-01-01T00:00Z", "format": form})
        assert answer.status_code == 200
        found = rows(answer, form)
        assert found.height == 0
        if form != "json":
            assert found.columns == get(client, operation, form).columns
        else:
            assert answer.json() == {"rows": [], "next": None, "known": None}


def test_what_one_has_is_not_sent_again(client: httpx.Client) -> None:
    answer = client.get("/v1/averages?limit=3")
    assert answer.headers["cache-control"] == "private, no-cache"
    tag = answer.headers["etag"]
    again = client.get("/v1/averages?limit=3", headers={"If-None-Match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["link"] == answer.headers["link"]
    other = client.get("/v1/averages?limit=4", headers={"If-None-Match": tag})
    assert other.status_code == 200
    head = client.head("/v1/averages?limit=3")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
    assert json.loads(answer.content)["next"] == answer.links["next"]["url"]


def test_no_text_of_a_sender_is_a_formula_in_a_spreadsheet() -> None:
    formulas = ["=1+1", "@A1", "+1+cmd|' /C calc'!A0", "-2+3", "-A1", "\t=1", "\r=1", "-"]
    texts = [*formulas, "-0.1", "+08:00", "a=1", None]
    page = forms.Page(pl.DataFrame({"text": texts, "number": [-1.5] * len(texts)}))
    plain = pl.read_csv(forms.FORMS["csv"].body(page, None), infer_schema=False)
    assert plain["text"].to_list() == [*(f"'{text}" for text in formulas), *texts[len(formulas) :]]
    assert plain["number"].unique().to_list() == ["-1.5"]

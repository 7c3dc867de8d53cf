"""Frames as Grafana's servers make them: curves side by side, names, what JSON cannot say; the lock."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from tests import panels
from tests.draw import drawing, project
from tests.draw.answers import legend, made, wide

T0 = datetime(2026, 5, 1, tzinfo=UTC)
T1 = T0 + timedelta(hours=1)
MS = T0.timestamp() * 1000


def test_long_rows_become_curves_side_by_side_on_common_times() -> None:
    columns: dict[str, list[Any]] = {"time": [T0, T0, T1], "metric": ["a", "b", "b"], "value": [1.0, 2.0, 3.0]}
    [frame] = wide(columns, {"time": "time", "metric": "string", "value": "number"}, "A")
    assert [each["name"] for each in frame["schema"]["fields"]] == ["time", "a", "b"]
    assert frame["data"]["values"] == [[MS, MS + 3_600_000], [1.0, None], [2.0, 3.0]]


def test_of_several_numbers_a_curve_keeps_its_name_beside_its_label() -> None:
    columns: dict[str, list[Any]] = {"time": [T0], "metric": ["a"], "low": [1.0], "high": [2.0]}
    [frame] = wide(columns, {"time": "time", "metric": "string", "low": "number", "high": "number"}, "A")
    fields = frame["schema"]["fields"][1:]
    assert [(each["name"], each["labels"]) for each in fields] == [("low", {"metric": "a"}), ("high", {"metric": "a"})]


def test_rows_without_words_are_sorted_and_kept() -> None:
    [frame] = wide({"time": [T1, T0], "value": [2.0, 1.0]}, {"time": "time", "value": "number"}, "A")
    assert frame["data"]["values"] == [[MS, MS + 3_600_000], [1.0, 2.0]]


def test_what_json_cannot_say_stands_beside_it() -> None:
    frame = made("A", [("value", "number", [1.0, math.nan, math.inf, -math.inf, None], {})])
    assert frame["data"] == {
        "values": [[1.0, None, None, None, None]],
        "entities": [{"NaN": [1], "Inf": [2], "NegInf": [3]}],
    }


def test_a_curve_of_prometheus_is_called_as_it_is_asked() -> None:
    labels = {"__name__": "up", "job": "greenwatch"}
    assert legend("{{job}} is up", labels) == "greenwatch is up"
    assert legend("", labels) == 'up{job="greenwatch"}'
    assert legend("__auto", {}) == "{}"


def test_a_link_leads_to_a_dashboard_there_is() -> None:
    assert drawing.leads(f"/d/{panels.NAMES[0]}?var-station=A&from=1")
    assert not drawing.leads("/d/greenwatch-nowhere")
    assert not drawing.leads(f"/d/{panels.NAMES[0]}?var-station=${{__data.fields.station}}")


def test_the_lock_names_no_host_and_has_the_digest_of_every_package() -> None:
    """A host would be that of one machine; without it any registry serves, and the digests say if it is the same."""
    text = (project.HERE / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert "git+" not in text
    packages = json.loads(text)["packages"]
    assert len(packages) > 400
    loose = [name for name, each in packages.items() if name and not each.get("link") and "integrity" not in each]
    assert [name for name in loose if not packages[name].get("inBundle")] == []
    wanted = json.loads((project.HERE / "package.json").read_text(encoding="utf-8"))
    assert packages[""]["dependencies"] == wanted["dependencies"]

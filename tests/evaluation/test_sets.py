"""The shared labelled sets are read as their papers and README say: counts that are written there, and known traps."""

from datetime import timedelta

import polars as pl
import pytest

from analytics.evaluation import events, sets, vus
from analytics.evaluation.figures import of_nab, volumes
from tests.conftest import needs_shared
from tests.published.detection_report import published
from tests.published.detectors import by_series
from tests.published.rivals import RIVALS, windowed_gaussian

pytestmark = needs_shared


@pytest.mark.parametrize("name", sets.SETS)
def test_a_set_is_one_frame_with_labels_and_no_holes(name: str) -> None:
    rows = sets.read(name)
    assert rows.schema == pl.Schema(sets.LABELLED)
    assert rows.drop("label").null_count().sum_horizontal().item() == 0
    assert rows["value"].is_finite().all()
    assert 0 < rows["label"].sum() < rows.height
    assert rows.group_by("series").agg(pl.col("station").n_unique())["station"].max() == 1


def test_events_are_as_many_as_the_sets_say() -> None:
    gecco = sets.read("gecco2018-water")
    minutes = gecco.group_by("time").agg(pl.col("label").any())
    assert minutes["label"].sum() == 996
    quiet = events.judge(events.together(gecco.with_columns(score=0.0)))
    assert (quiet.events, quiet.found, quiet.false) == (29, 0, 0)
    assert quiet.weeks == pytest.approx(69_782 / 60 / 24 / 7, rel=0.02)
    nab = sets.read("nab")
    assert nab["station"].n_unique() == 35
    # Some windows of NAB touch: as labels they are one.
    assert events.judge(nab.with_columns(score=0.0)).events <= 57
    assert sets.read("skab")["station"].n_unique() == 16
    odd = sets.read("oddwater").group_by("parameter").agg(pl.col("label").sum())
    assert dict(odd.iter_rows()) == {"water_level": 6, "conductivity": 519, "turbidity": 731}


def test_rejected_is_a_label_and_suspect_is_not_asked_for() -> None:
    counts = {
        parameter: (label, unsaid)
        for parameter, label, unsaid in sets.read("swmp-apalachicola")
        .group_by("parameter")
        .agg(pl.col("label").sum(), pl.col("label").null_count().alias("unsaid"))
        .iter_rows()
    }
    assert counts["ph"] == (5646, 2293)
    assert counts["turbidity"] == (5742, 2463)
    assert counts["dissolved_oxygen"] == (7716, 83)


def test_missing_is_no_value() -> None:
    logan = sets.read("logan-river")
    assert logan["value"].min() > -9000  # type: ignore[operator]
    step = logan.group_by("series").agg(pl.col("time").diff().median())
    assert step["time"].unique().to_list() == [timedelta(minutes=15)]


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_judges_by_the_past_alone(name: str) -> None:
    """Rows after a row do not change its score; the first rows are not judged."""
    value = sets.read("nab").filter(series="realKnownCause/nyc_taxi")["value"].to_numpy()
    whole, part = RIVALS[name](value[:3000]), RIVALS[name](value[:2345])
    assert part == pytest.approx(whole[:2345], nan_ok=True, abs=1e-9)
    judged = pl.Series(whole).is_not_nan()
    assert judged.sum() > 2500
    assert not judged[:50].any()


def test_the_report_reaches_the_published_score() -> None:
    """Windowed Gaussian through the report's own way, and NAB's table of the same files."""
    rows = sets.read("nab")
    said = by_series(windowed_gaussian)(rows.drop("set", "label"))
    assert said.drop("level", "alarm").equals(rows.drop("set", "label"))
    judged = rows.with_columns(said["alarm"].alias("score")).select("station", "series", "time", "label", "score")
    known = dict(published(rows["station"].unique().to_list()))["windowedGaussian"]
    assert of_nab(judged)[:3] == pytest.approx(known, abs=1e-4)
    scores = of_nab(judged)
    assert all(best >= own - 1e-9 for own, best in zip(scores[:3], scores[3:], strict=True))
    found = [volume for volume in volumes(judged, rows) if volume == volume]
    assert len(found) == rows.filter("label")["series"].n_unique()
    assert 0.1 < sum(found) / len(found) < 0.35
    taxi = judged.filter(series="realKnownCause/nyc_taxi")
    width = vus.period(rows.filter(series="realKnownCause/nyc_taxi")["value"].to_numpy())
    assert vus.vus_pr(taxi["label"].to_numpy(), taxi["score"].to_numpy(), width) in found

"""What detectors say of the hours of stations, by what was learned of their past.

A changed hour changes the scores of the hours after it, as far as detectors look back; how far is a matter of how often
a series speaks, which its fits know.
"""

from datetime import timedelta

import polars as pl

from analytics import detection
from analytics.detection import network
from analytics.store import derived, fits, ledger, registry
from analytics.store.ledger import Take
from jobs import compare

_HOUR = timedelta(hours=1)
#: Series that speak less often than this are not judged: what would have to be looked at is too long ago.
SELDOM = timedelta(hours=6)
#: Windows of fits are looked for so far around what changed.
_FARTHEST = detection.reach(SELDOM)
KEPT = [*detection.MEMBERS, detection.ALARM]


def detect(take: Take, series: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS of stations in which scores are others now. Those of the affected hours of the `series` and of those that
    look back at them are made again, of series of one quantity as one, under the one that speaks."""
    changed = take.affected.rename({"subject": "station"})
    theirs = changed.join(series.select("station", pl.col("series").alias("subject")), on="station")
    learned = _fits(take, _wider(theirs.select("subject", "start", "stop"), _FARTHEST, _FARTHEST), series)
    if learned.is_empty():
        return pl.DataFrame(schema=dict(ledger.WINDOWS))
    voices = registry.load_voices(take.conn)
    learned, beside = _heard(take, learned, voices)
    judged = changed.join(_looks(learned, series), on="station").with_columns(pl.col("stop") + pl.col("back"))
    spans = judged.select("station", pl.col("start") - pl.col("back"), "stop")
    own = spans.join(voices.select("station", subject="series"), on="station")
    # Of those around it what its own scores are held against, as far back as these.
    theirs = spans.join(voices.select("station", "voice").unique(), on="station").join(
        beside, left_on="voice", right_on="series"
    )
    asked = pl.concat([part.select("subject", "start", "stop") for part in (own, theirs)])
    hours = derived.load(take.conn, derived.AVERAGE, ledger.merge(asked), {"averaging": ["hour"]})
    take.read += hours.height
    made = detection.scores(coalesce(hours, voices), learned)
    windows = judged.join(series.select("station", pl.col("series").alias("subject")), on="station")
    windows = ledger.merge(windows.select("subject", "start", "stop"))
    changed = derived.write(take, derived.SCORE, made, {"detector": KEPT}, windows=windows)
    return ledger.runs(changed.join(series.select("series", "station"), on="series"), "station", _HOUR)


def _heard(take: Take, learned: pl.DataFrame, voices: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`learned`, of what is around a series only those that are so then; and whom its series hear: `series`, `subject`
    (of each voice beside it those that speak or stand in)."""
    around = pl.col("detector") == network.NAME
    mine = learned.filter(around)
    pairs = compare.circle(take.conn, voices).join(mine.select(series="subject").unique(), on="series", how="semi")
    cut = network.among(mine.select("subject", "valid_from", "blob"), pairs)
    speaking = voices.select(neighbour="voice", subject="series")
    beside = pairs.select("series", "neighbour").unique().join(speaking, on="neighbour").select("series", "subject")
    kept = cut.select(pl.lit(network.NAME).alias("detector"), "subject", "valid_from", "blob")
    return pl.concat([learned.filter(~around), kept.select(learned.columns)]), beside


def coalesce(hours: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
    """series (the voice), time, value, offset [min]: hours of the series that speaks, else of its stand-in."""
    return (
        hours.filter(pl.col("value").is_not_null())
        .join(voices.select("series", "voice", "rank", "offset"), on="series")
        .sort("voice", "time", "rank")
        .unique(["voice", "time"], keep="first", maintain_order=True)
        .select(pl.col("voice").alias("series"), "time", "value", "offset")
    )


def often(made: pl.DataFrame) -> pl.DataFrame:
    """The fits `made` (subject, blob) of what does not speak too seldom."""
    seldom = detection.cadences(made).filter(pl.col("cadence") > SELDOM)
    return made.join(seldom, on="subject", how="anti", maintain_order="left")


def _fits(take: Take, windows: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """`detector`, `subject`, `valid_from`, `blob`: what holds somewhere in `windows`."""
    kinds = [
        fits.load(take.conn, name, windows).select(pl.lit(name).alias("detector"), "subject", "valid_from", "blob")
        for name in detection.LEARN
    ]
    # What was learned of a station as a whole stands at its first series of that time: it is one story.
    first = series.select(pl.col("series").alias("subject"), pl.col("series").min().over("station").alias("first"))
    whole = pl.col("detector").is_in(detection.TOGETHER)
    found = pl.concat(kinds).join(first, on="subject")
    return found.with_columns(pl.when(whole).then("first").otherwise("subject").alias("subject")).drop("first")


def _looks(learned: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """`station`, `back`: how long before an hour those begin that its scores read, of stations that have fits."""
    stations = series.select("station", pl.col("series").alias("subject"))
    known = stations.join(detection.cadences(learned), on="subject", how="left")
    longest = (
        known.join(learned.select("subject").unique(), on="subject", how="semi")
        .group_by("station")
        .agg(pl.col("cadence").fill_null(_HOUR).max())
    )
    backs = {cadence: detection.reach(max(cadence, _HOUR)) for cadence in longest["cadence"].unique()}
    return longest.select(
        "station", pl.col("cadence").replace_strict(backs, return_dtype=pl.Duration("us")).alias("back")
    )


def _wider(windows: pl.DataFrame, before: timedelta, after: timedelta) -> pl.DataFrame:
    return ledger.merge(windows.with_columns(pl.col("start") - before, pl.col("stop") + after))

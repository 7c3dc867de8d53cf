"""Evidence of silence: stations, and channels, that are not heard any more, but for what something over them tells."""

import polars as pl

from analytics import alarms
from analytics.alarms import silence
from jobs.watch.around import Around
from jobs.watch.channels import hear, placed


def evidence(around: Around) -> pl.DataFrame:
    """`alarms.EVIDENCE` of every channel and station that is silent, or whose alarm is on."""
    heard = hear(around, alarms.of_kind(around.book[-1].alarms, "outage") | around.rules)
    ours = [heard[name] for name in around.rules]
    return placed(around, [(each.rule, silence.evidence(each, heard.values(), around.now)) for each in ours])

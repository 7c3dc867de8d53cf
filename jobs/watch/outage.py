"""Evidence of outages: sources of whose channels too many are silent."""

import polars as pl

from analytics.alarms import silence
from jobs.watch.around import Around
from jobs.watch.channels import hear, placed


def evidence(around: Around) -> pl.DataFrame:
    """`alarms.EVIDENCE` of every source that is out, or whose alarm is on."""
    heard = hear(around, around.rules).values()
    return placed(around, [(each.rule, silence.evidence(each, (), around.now)) for each in heard])

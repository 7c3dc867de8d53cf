"""Evidence of regions: many stations of a district whose alarm on one rule is on are one alarm on the district.

A region is on while at least `least` of its stations, and the `share` of all that were ever heard, have the alarm of
the rule `member` on. One that is silent counts as calm: stations that stop make no region of the others. What its
members are blind of it is blind of: it ends when too few of them can be on any more.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from analytics.alarms.machine import ACTIVE, BLIND, EVIDENCE, FIRING, LASTING, OK, PENDING, RECOVERING
from analytics.alarms.rules import SUBJECT, TABLE, Keys, Rule, at_least
from analytics.frames import TIME, conform
from analytics.tables import NUMBER, TableError

#: How old what is known of a member may be: it is that of this very look.
FRESH = pl.duration(minutes=1)


def _check(place: str, keys: Mapping[str, Any]) -> None:
    at_least(place, keys, 0, ["confirm", "clear"])
    at_least(place, keys, 2, ["least"])
    if not 0 < keys["share"] <= 1:
        raise TableError(f"{place}: 'share' must be above 0 and at most 1")


KEYS = Keys(
    scopes=("district",),
    needs={"member": str, "least": int, "share": NUMBER, "confirm": int, "clear": int},
    allows={},
    check=_check,
    round=1,
)


def check(rules: Mapping[str, Rule]) -> None:
    """Nothing, where the member of every region of `rules` is a rule about stations. Raises `TableError`."""
    for rule in rules.values():
        if rule.kind == "region":
            member = rules.get(rule.keys["member"])
            if member is None or member.kind != "episode":
                raise TableError(f"{TABLE}: [{rule.name}] 'member' cannot be {rule.keys['member']!r}")


def terms(rules: Mapping[str, Rule]) -> pl.DataFrame:
    """rule, member, least, share, confirm, clear: a row a region rule."""
    names = ("member", "least", "share", "confirm", "clear")
    rows = [(rule.name, *(rule.keys[name] for name in names)) for rule in rules.values()]
    schema = {"rule": pl.String, "member": pl.String, "least": pl.Int64, "share": pl.Float64}
    return pl.DataFrame(rows, schema={**schema, "confirm": pl.Int64, "clear": pl.Int64}, orient="row")


def candidates(states: pl.DataFrame, members: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """place, rule: districts where a region may be on: as many members as it takes are on, seen or blind.

    `members` has subject, rule, state, level, onset, edge, closed and place (of the district) of what its member rules
    are about; `states` (and place) are those of regions."""
    found = members.filter(pl.col("state").is_in(ACTIVE)).join(terms(rules), left_on="rule", right_on="member")
    many = found.group_by("place", "rule_right").agg(pl.len().alias("on"), pl.col("least").first())
    may = many.filter(pl.col("on") >= pl.col("least")).select("place", pl.col("rule_right").alias("rule"))
    lasting = states.filter(pl.col("state").is_in(LASTING)).select("place", "rule")
    return pl.concat([may, lasting]).unique().sort("place", "rule")


def evidence(
    states: pl.DataFrame,
    asked: pl.DataFrame,
    members: pl.DataFrame,
    reporting: pl.DataFrame,
    rules: Mapping[str, Rule],
    now: datetime,
) -> pl.DataFrame:
    """`EVIDENCE` of `asked` (subject, place, rule). `members` as `candidates` takes them; also those that ended since
    the region is on; `reporting` (place, member, stations): of how many stations something is known of what the member
    is about, silent or not."""
    ours = asked.join(terms(rules), on="rule").join(
        states.select(*SUBJECT, pl.col("onset").alias("since"), "seen"), on=SUBJECT, how="left"
    )
    state = pl.col("state")
    sure, kept, blind = state == FIRING, state.is_in([FIRING, RECOVERING]), state == BLIND
    # What ended by clean air was real; what was withdrawn never was.
    real = state.is_in(ACTIVE) | (state.is_in([OK, PENDING]) & (pl.col("closed") >= pl.col("since")))
    counts = (
        ours.join(
            members.select("place", pl.col("rule").alias("member"), "state", "level", "onset", "edge", "closed"),
            on=["place", "member"],
        )
        .sort(*SUBJECT, "onset")
        .group_by(SUBJECT, maintain_order=True)
        .agg(
            sure.sum().alias("sure"),
            kept.sum().alias("kept"),
            blind.sum().alias("blind"),
            real.sum().alias("real"),
            pl.col("level").filter(kept).max().alias("level"),
            # As soon as enough of them are on, the region is.
            pl.col("onset").filter(kept).get(pl.col("least").first() - 1, null_on_oob=True).alias("onset"),
            pl.col("edge").max(),
        )
    )
    found = ours.join(counts, on=SUBJECT, how="left").join(reporting, on=["place", "member"], how="left")
    heard, number = pl.col("stations").fill_null(0), pl.col("sure", "kept", "blind", "real")

    def enough(how_many: pl.Expr, of: pl.Expr) -> pl.Expr:
        return (how_many >= pl.col("least")) & (how_many >= pl.col("share") * of)

    on = enough(pl.col("kept"), heard)
    possible = enough(pl.col("kept") + pl.col("blind"), heard)
    edge = pl.col("edge").fill_null(pl.lit(now, TIME))
    # Where all it could still hear of are done, each by a calm of its own, no later hour is to come.
    calm = (edge - pl.coalesce("seen", edge) >= pl.duration(hours=pl.col("clear"))) | (pl.col("kept") == 0)
    return conform(
        found.with_columns(number.fill_null(0))
        .with_columns(on.alias("on"), possible.alias("possible"), edge.alias("edge"))
        .with_columns(
            pl.col("onset").alias("episode"),
            enough(pl.col("sure"), heard).alias("settled"),
            (pl.col("edge") - pl.col("onset") >= pl.duration(hours=pl.col("confirm")))
            .fill_null(value=False)
            .alias("confirmed"),
            (~pl.col("possible")).cast(pl.Int32).alias("quiet"),
            (~pl.col("possible") & calm).alias("over"),
            pl.col("kept").cast(pl.Float64).alias("value"),
            pl.lit(now, TIME).alias("live"),
            FRESH.alias("lateness"),
            (pl.col("on") | ~pl.col("possible")).alias("covered"),
            pl.lit(None, TIME).alias("filled"),
            (pl.col("on") | (pl.col("real") >= pl.col("least"))).alias("stands"),
            pl.lit(value=False).alias("held"),
            pl.format("{} / {}", "kept", heard).alias("expected"),
        )
        .sort(SUBJECT),
        EVIDENCE,
    )

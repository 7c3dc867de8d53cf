"""`greenwatch alarms plan`: what changed rules would have told of the past, beside what those now would have."""

import json
import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.table import Table

from analytics import alarms, episodes, parameters
from analytics.alarms import SEVERITIES, plan, reading
from analytics.alarms import episode as of_episodes
from analytics.frames import empty
from analytics.store import migrations
from analytics.store.connection import Connection
from analytics.tables import TableError
from analytics.texts import text
from jobs import console
from jobs.alarms.past import Loader, Side
from jobs.export.ask import instant
from jobs.watch.look import about

EXAMPLE = "Example: greenwatch alarms plan changed.toml --from 2026-04-01T00:00+08:00 --to 2026-05-01T00:00+08:00"

#: So far back is looked at where nothing else is said.
MONTH = timedelta(days=30)
#: Times and stations of a rule that are written out for people; JSON has all.
MOST = 5

#: What is taken for granted, in both languages: the store does not keep all that somebody saw at the time.
ASSUMED = (
    "plan_assumes_means",
    "plan_assumes_arrival",
    "plan_assumes_archived",
    "plan_assumes_look",
    "plan_assumes_readings",
    "plan_assumes_held",
)

File = Annotated[
    Path,
    typer.Argument(
        metavar="RULES",
        exists=True,
        dir_okay=False,
        help="TOML as analytics/tables/alarms.toml: rules that are changed or new; the others stay.",
    ),
]


def main(
    rules: File,
    also: Annotated[
        Path | None,
        typer.Option("--episodes", exists=True, dir_okay=False, help="TOML as episodes.toml: changed or new ones."),
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="Begin, with an offset. Default: 30 days back.")] = None,
    stop: Annotated[str | None, typer.Option("--to", help="End, itself not included. Default: now.")] = None,
    station: Annotated[list[str] | None, typer.Option("--station", help="Only this one; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Show what changed rules would have told in the past, rule by rule, beside the rules now. Writes nothing."""
    now = console.now()
    last = min(instant(stop, "--to", date=False) or now, now)
    first = instant(start, "--from", date=False) or last - MONTH
    if first >= last:
        raise typer.BadParameter("the period is empty, or all of it is ahead", param_hint="--from, --to")
    changed, more = _content(rules), {} if also is None else _content(also)
    with console.store(dsn) as conn:
        sides = [_side(conn, {}, {}), _side(conn, changed, more)]
        loader = Loader.open(conn, first - plan.BACK, last, station or [])
        if missing := set(station or ()) - set(loader.stations["code"]):
            raise typer.BadParameter(f"there is no station {', '.join(sorted(missing))}", param_hint="--station")
        told = _told(loader, sides, first, last)
    names = loader.names()
    lines = _lines(told, sides, names, last)
    apart = sorted(name for name, rule in sides[1].alarms.items() if not _replayed(rule, sides[1].episodes))
    if as_json:
        said = {"from": first, "to": last, "rules": lines, "not_replayed": apart}
        said["assumed"] = [text(key, between=" · ") for key in ASSUMED]
        print(json.dumps(said, default=lambda time: time.isoformat(), ensure_ascii=False))
        return
    console.show(_table(lines))
    if apart:
        console.people.print(text("plan_apart", between=" · ", rules=", ".join(apart)))
    for key in ASSUMED:
        console.people.print(f"- {text(key, between=' · ')}")


def _content(path: Path) -> dict[str, Any]:
    """The records of a TOML file. Raises `TableError` where it is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise TableError(f"{path}: is no TOML: {problem}") from None


def _side(conn: Connection, changed: dict[str, Any], more: dict[str, Any]) -> Side:
    """The rules in force with what is `changed` of alarms, and `more` of episodes. Raises `TableError`."""
    runs = episodes.parse({**migrations.editions(conn, "episodes")[-1][2], **more})
    rules = alarms.parse({**migrations.editions(conn, "alarms")[-1][2], **changed})
    known = parameters.parse(migrations.editions(conn, "parameters")[-1][2])
    for name in more:
        if name in runs and runs[name].parameter not in known:
            raise TableError(f"episodes: [{name}] 'parameter': there is no {runs[name].parameter!r}")
    alarms.check(
        rules,
        {name: rule.depth for name, rule in runs.items()},
        {name: rule.bridge for name, rule in runs.items()},
        {name: rule.about for name, rule in runs.items()},
    )
    reading.check(alarms.of_kind(rules, "reading"), known)
    return Side(rules, runs, about(rules, runs))


def _replayed(rule: alarms.Rule, runs: Mapping[str, episodes.Rule]) -> bool:
    """Whether what `rule` stands on can be made again of means alone; what was around, expected or planned is not."""
    if rule.kind != "episode":
        return rule.kind in plan.KINDS
    asked = [runs[name] for name, _ in of_episodes.conditions(rule)]
    return not any(run.planned or {averaging for _, averaging in run.facts} & {*episodes.SAID} for run in asked)


def _about(rule: alarms.Rule, rules: Mapping[str, alarms.Rule], runs: Mapping[str, episodes.Rule]) -> str:
    """What the episodes are about that `rule`, or its member, stands on; readings beyond a hard limit are an event."""
    meant = rules.get(rule.keys.get("member", ""), rule)
    if meant.kind != "episode":
        return episodes.EVENT
    found = {runs[name].about for name, _ in of_episodes.conditions(meant) if name in runs}
    return min(found, key=episodes.ABOUT.index)


def _told(loader: Loader, sides: list[Side], first: datetime, last: datetime) -> list[pl.DataFrame]:
    """`plan.TOLD` of each of `sides`, of what was told in [`first`, `last`)."""
    parts: list[list[pl.DataFrame]] = [[empty(plan.TOLD)] for _ in sides]
    with console.progress("stations") as bar:
        task = bar.add_task("replaying", total=loader.stations.height)
        for group in loader.groups():
            for found, side, past in zip(parts, sides, loader.pasts(group, sides), strict=True):
                found.append(plan.replay(past, side.alarms, side.parameters, plan.looks(first, last)))
                found.append(plan.replay_readings(loader.breaches(group, side), side.alarms, side.parameters))
            bar.advance(task, len(group))
    return [pl.concat(found).filter(pl.col("at") >= first, pl.col("at") < last) for found in parts]


def _lines(told: list[pl.DataFrame], sides: list[Side], names: dict[int, str], last: datetime) -> list[dict[str, Any]]:
    """A line a rule and severity that anybody was told of, on either side: how often, of whom, when, longest [h]."""
    keys = sorted({(rule, severity) for side in told for rule, severity in side.select("rule", "severity").iter_rows()})
    keys.sort(key=lambda key: (-SEVERITIES.index(key[1]), key[0]))
    lines = []
    for rule, severity in keys:
        now, then = (
            side.filter(pl.col("rule") == rule, pl.col("severity") == severity).with_columns(
                pl.col("subject").replace_strict(names, return_dtype=pl.String).alias("name"),
                ((pl.col("until").fill_null(last) - pl.col("at")).dt.total_minutes() / 60).alias("hours"),
            )
            for side in told
        )
        found = sides[1].alarms.get(rule) or sides[0].alarms[rule]
        lines.append(
            {
                "rule": rule,
                "title": found.title,
                "title_zh": found.title_zh,
                "about": _about(found, sides[1].alarms, sides[1].episodes),
                "severity": severity,
                "now": now.height,
                "then": then.height,
                "difference": then.height - now.height,
                "subjects": sorted(then["name"].unique()),
                "longest": then["hours"].max(),
                "times": [
                    {"subject": row["name"], "at": row["at"], "until": row["until"]}
                    for row in then.sort("at").to_dicts()
                ],
            }
        )
    return lines


def _table(lines: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    numbers = ("now", "then", "difference", "longest")
    for column in ("rule", "severity", "now", "then", "difference", "longest", "subjects", "when"):
        table.add_column(
            text(f"plan_{column}", between=" · "), justify="right" if column in numbers else "left", overflow="fold"
        )
    for line in lines:
        times = [f"{each['subject']} {each['at']:%m-%d %H:%M}Z" for each in line["times"]]
        longest = "" if line["longest"] is None else f"{line['longest']:.1f}"
        about = "" if line["about"] == episodes.EVENT else f" ({text('about_' + line['about'], between=' · ')})"
        table.add_row(
            line["rule"] + about,
            text(f"alarm_told_{line['severity']}", between=" · "),
            str(line["now"]),
            str(line["then"]),
            f"{line['difference']:+d}",
            longest,
            _some(line["subjects"]),
            _some(times),
        )
    return table


def _some(words: list[str]) -> str:
    more = len(words) - MOST
    return ", ".join(words[:MOST]) + (f" … +{more}" if more > 0 else "")

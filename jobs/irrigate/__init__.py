"""`greenwatch irrigate`: the water balance of every zone up to yesterday, and advice for the hours ahead.

Derived by the clock from averages: the last week is made again each time, since late readings may have changed it, and
goes on from the day before; rows that are equal stay. Running it twice changes nothing.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.table import Table

from analytics import crops, irrigation
from analytics.crops import Land
from analytics.frames import BALANCE, TIME, empty
from analytics.store import migrations, savings, soil_limits, supplies, waterings, weather, zones
from analytics.store.connection import Connection
from jobs import console
from jobs.irrigate import entry, measured

EXAMPLE = "Example: greenwatch irrigate --json"

#: Days that are made again each time [d].
AGAIN = 7
_DAY = timedelta(days=1)
#: Of a day that is foretold.
_HOURS = 24


@dataclass(frozen=True, slots=True)
class Irrigated:
    """What was done: rows of the balance that are new or other, rows of advice that are new, zones left out."""

    zones: int
    balance: int
    advice: int
    skipped: tuple[str, ...] = ()


def main(
    as_json: Annotated[bool, typer.Option("--json", help="Print the advice as JSON.")] = False,
    since: Annotated[
        str | None, typer.Option("--since", help="Make the balance again from this local day: 2026-04-01.")
    ] = None,
    entered: Annotated[
        Path | None, typer.Option("--supplies", help="Enter where zones have their water from: a CSV of all supplies.")
    ] = None,
    dsn: console.Dsn = None,
) -> None:
    """Water or not, how much, by when, for every registered zone.

    A CSV of supplies has the columns supply, title, title_zh, daily and yearly (m³), night (yes or no), source (a water
    section), worst (class 1 to 6), zones (codes, a space between).
    """
    given = None if entered is None else entry.read(entered)
    with console.store(dsn) as conn:
        if given is not None and (unknown := supplies.save(conn, given)):
            raise typer.BadParameter(f"nobody registered {', '.join(unknown[:9])}", param_hint="--supplies")
        now = console.now()
        done = run(conn, now, since=_day(since))
        rows = (
            zones.load(conn)
            .select("zone", "code", "title", "title_zh", "area")
            .join(zones.load_advice(conn), on="zone")
        )
    for code in done.skipped:
        console.people.print(
            f"zone {code}: its cover, texture or method is in no table now, or its limits leave plants no water: "
            "register it again"
        )
    if as_json:
        print(json.dumps(rows.drop("zone").to_dicts(), default=str, ensure_ascii=False))
    elif rows.height:
        console.show(table(rows))
    else:
        console.people.print("no zone is registered, or none has weather yet: `greenwatch register zones.csv`")


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day: write 2026-04-01", param_hint="--since") from None


def table(rows: pl.DataFrame) -> Table:
    """The advice for people."""
    out = Table(box=None, pad_edge=False)
    for name in ("zone", "title", "water", "mm", "m³", "minutes", "by", "reason"):
        out.add_column(name, justify="right" if name in ("mm", "m³", "minutes") else "left")
    for row in rows.sort(pl.col("water").fill_null(value=False), "code", descending=[True, False]).iter_rows(
        named=True
    ):
        said = {True: "yes", False: "no", None: "?"}[row["water"]]
        amounts = [f"{row[name]:,.1f}" if row["water"] else "" for name in ("depth", "volume", "minutes")]
        latest = row["latest"].strftime("%Y-%m-%d %H:%MZ") if row["latest"] else ""
        out.add_row(row["code"], row["title_zh"] or row["title"], said, *amounts, latest, row["reason"])
    return out


def run(conn: Connection, now: datetime, *, since: date | None = None) -> Irrigated:
    """What was done at `now`; the balance again from the local day `since`, else of the last week."""
    with conn.transaction():
        zones.lock(conn)
        known = zones.load(conn)
        lands = load_lands(conn)
        sound = irrigation.soil(known, lands[-1][1])["zone"]
        skipped = known.filter(~pl.col("zone").is_in(sound.implode()))["code"].to_list()
        known = known.filter(pl.col("zone").is_in(sound.implode()))
        if known.is_empty():
            return Irrigated(0, 0, 0, tuple(skipped))
        today = known.with_columns(today=(pl.lit(now, TIME) + pl.duration(minutes="offset")).dt.date())
        balance = _balance(conn, today, lands, since)
        written = zones.save_balance(conn, balance, now)
        seen = _water(conn, today, lands[-1][1], now, since)
        _save(conn, today.filter(pl.col("zone").is_in(pl.concat([written, seen]).implode())), lands[-1][1], now)
        advice = irrigation.news(_advise(conn, today, lands[-1][1], now), zones.load_advice(conn))
        return Irrigated(known.height, written.len(), zones.save_advice(conn, advice), tuple(skipped))


def load_lands(conn: Connection) -> list[tuple[date | None, Land]]:
    """The tables in force from each day on (None: ever), oldest first."""
    dated = {name: migrations.editions(conn, name) for name in crops.TABLES}
    starts = sorted({since for found in dated.values() for _, since, _ in found if since is not None})
    out: list[tuple[date | None, Land]] = []
    for start in [None, *starts]:
        contents = {
            name: [rows for _, since, rows in found if since is None or (start is not None and since <= start)][-1]
            for name, found in dated.items()
        }
        # A day is judged whole: by what was in force when it began.
        out.append((None if start is None else start.date() + _DAY, crops.parse(contents)))
    return out


def _balance(
    conn: Connection, today: pl.DataFrame, lands: list[tuple[date | None, Land]], since: date | None
) -> pl.DataFrame:
    """BALANCE of the days that are new or made again."""
    rules = lands[-1][1].rules["balance"]
    newest: Any = today["today"].max()
    first = since or newest - timedelta(days=AGAIN)
    state = today.select("zone").join(zones.load_state(conn, first), on="zone", how="left")
    begin = zones.first_days(conn, newest - timedelta(days=rules["history"])).rename({"day": "begin"})
    state = state.join(begin, on="zone", how="left").with_columns(begin=pl.coalesce(pl.col("day") + _DAY, "begin"))
    wanted = (
        today.select("zone", "today")
        .join(state.select("zone", "begin"), on="zone")
        .filter(pl.col("begin") < pl.col("today"))
    )
    if wanted.is_empty():
        return empty(BALANCE)
    look = timedelta(days=int(rules["within"]))
    spans = wanted.select("zone", pl.col("begin") - look, stop="today")
    days = measured.days(conn, today.join(spans, on="zone"), lands[-1][1])
    before = state.join(wanted.select("zone"), on="zone").select(
        # A zone without a balance begins with its first day, and only looks back at those before.
        "zone",
        day=pl.coalesce("day", pl.col("begin") - _DAY),
        depletion="depletion",
        joined="joined",
    )
    out = []
    for (start, land), stop in zip(lands, [*(start for start, _ in lands[1:]), None], strict=True):
        valid = pl.lit(True) if stop is None else pl.col("day") < stop
        # Days before an edition are only looked back at by it, also those that no older one could judge.
        edge = date.min if start is None else start - _DAY
        begun = before.with_columns(pl.max_horizontal("day", pl.lit(edge)))
        made = irrigation.balance(days.filter(valid), today.drop("today"), land, begun)
        out.append(made)
        reached = made.group_by("zone", maintain_order=True).agg(pl.col("day", "depletion", "joined").last())
        before = pl.concat([reached, before]).unique("zone", keep="first", maintain_order=True)
    return pl.concat(out)


def _water(conn: Connection, today: pl.DataFrame, land: Land, now: datetime, since: date | None) -> pl.Series:
    """The zone of each watering that is other than it was: those of the days that are made again are, too."""
    first = pl.lit(since) if since else pl.col("today") - timedelta(days=AGAIN)
    begins = today.drop_nulls("probe").with_columns(measured.start(first))
    if begins.is_empty():
        return begins["zone"]
    # Who began on the day before goes on.
    spans = begins.with_columns(
        pl.col("start") - _DAY, stop=pl.lit(now.replace(minute=0, second=0, microsecond=0), TIME)
    )
    roots = irrigation.soil(today.drop("today"), land).select("zone", "root")
    seen = irrigation.watered(measured.hours(conn, spans, roots, land), roots, land.rules["watering"])
    fresh = seen.join(begins.select("zone", _first="start"), on="zone", maintain_order="left")
    made = fresh.filter(pl.col("start") >= pl.col("_first")).drop("_first")
    return waterings.save(conn, made, begins.select("zone", "start"), now)


def _save(conn: Connection, today: pl.DataFrame, land: Land, now: datetime) -> None:
    """Nothing; what each zone of `today` with a probe used and saved in the last year, by month, and what its soil
    holds."""
    watched = today.drop_nulls("probe").select("zone", "today")
    if watched.is_empty():
        return
    newest: Any = watched["today"].max()
    # Whole months: what is made of a part of one would overwrite the whole.
    since = (newest - timedelta(days=land.rules["balance"]["history"]) + timedelta(days=31)).replace(day=1)
    days = zones.load_balance(conn, since, newest + _DAY, watched["zone"]).join(
        watched, on="zone", maintain_order="left"
    )
    settled = days.filter(pl.col("day") < pl.col("today")).drop("today")
    savings.save(conn, irrigation.savings(settled, savings.load_unmetered(conn, since, watched["zone"])), now)
    soil_limits.save(conn, irrigation.limits(settled, today, land), now)


def _advise(conn: Connection, today: pl.DataFrame, land: Land, now: datetime) -> pl.DataFrame:
    """ADVICE of the full hour of `now`."""
    issued = now.replace(minute=0, second=0, microsecond=0)
    newest: Any = today["today"].max()
    last = zones.load_balance(conn, newest - timedelta(days=land.rules["balance"]["within"]), newest + _DAY)
    last = last.join(today.select("zone", "today"), on="zone").filter(pl.col("day") < pl.col("today"))
    sofar = today.select(
        "zone",
        "weather",
        "probe",
        "beside",
        "offset",
        day="today",
        start=measured.start(pl.col("today")),
        stop=pl.lit(issued, TIME),
    )
    rain = measured.metered(conn, sofar.rename({"weather": "station"}), "rain")
    metered = measured.metered(conn, sofar.drop_nulls("probe").rename({"probe": "station"}), "irrigation")
    roots = irrigation.soil(today.drop("today"), land).select("zone", "root")
    probed = measured.probed(conn, sofar.drop_nulls("probe"), roots, land)
    yesterday = today.with_columns(begin=pl.col("today") - _DAY, stop="today")
    tmax = measured.weather(conn, yesterday, land).select("station", "tmax")
    state = today.select("zone", "weather", day="today")
    for found in (rain, metered, probed):
        state = state.join(found, on=["zone", "day"], how="left")
    state = state.join(tmax, left_on="weather", right_on="station", how="left")
    past = zones.load_rain(conn, newest - timedelta(days=land.rules["plan"]["past"]), newest)
    return irrigation.advise(
        last.drop("today"),
        today.drop("today"),
        land,
        state.drop("weather", "day"),
        issued,
        past=past,
        foretold=_foretold(conn, today, issued),
        supplies=supplies.load(conn, now),
    )


def _foretold(conn: Connection, today: pl.DataFrame, issued: datetime) -> pl.DataFrame:
    """`zone`, `ahead` [d], `rain` [mm], `lowest` [°C]: what of the next days the newest forecast says, each null where
    it does not say all of a day."""
    rows = weather.load(conn, today["weather"], issued, issued + timedelta(days=irrigation.LONG), issued)
    hours = rows.filter(pl.col("issued") > issued - _DAY).with_columns(ahead=(pl.col("time") - issued).dt.total_days())
    key = ["station", "ahead"]
    made = today.select("zone", station="weather").join(hours.select(key).unique(), on="station")
    for parameter, name, of_it in (
        ("rain", "rain", pl.col("value").sum()),
        ("air_temperature", "lowest", pl.col("value").min()),
    ):
        days = hours.filter(parameter=parameter).group_by(*key, "source").agg(of_it.alias(name), pl.len())
        # Of several sources the one that was entered first, as for the sums that are measured.
        whole = days.filter(pl.col("len") == _HOURS).sort("source").unique(key, keep="first")
        made = made.join(whole.select(*key, name), on=key, how="left")
    return made.select("zone", "ahead", "rain", "lowest")

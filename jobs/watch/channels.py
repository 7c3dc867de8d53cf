"""What alarms on channels go by: when each was heard, for how long we have listened, what is usual, who carries it.

Of every look it reads the newest live reading of each series, and what the doors told; the rest is kept and read again
where it changed, or every few minutes. For how long somebody has listened without a break stands in the rows of `work`,
so that a restart, or another worker, goes on from there: `succeeded` is the last look, `failed` the end of a break.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

import polars as pl

from analytics import alarms
from analytics.alarms import cadence, channels
from analytics.alarms.channels import BREAK, CHANNELS, EARS
from analytics.alarms.silence import Heard, hear_of, scope
from analytics.frames import TIME, conform, empty
from analytics.store import channels as store
from analytics.store import fits, health, registry, spools
from analytics.store.connection import Connection
from analytics.store.health import Done
from jobs.watch.around import Around

#: Job of `work` under which a look is written down, and those of the doors: `silence hj212`.
JOB = "silence"
#: So often it is written down.
NOTE = BREAK / 4
#: Between two looks at what was learned, and at who carries what is heard.
LEARNED, CARRIED = timedelta(minutes=1), timedelta(minutes=5)


@dataclass(slots=True)
class Listener:
    """What is kept between looks."""

    registered: pl.DataFrame = field(default_factory=pl.DataFrame)
    #: of this registry
    stations: pl.DataFrame = field(default_factory=pl.DataFrame)
    usual: pl.DataFrame = field(default_factory=pl.DataFrame)
    fit: int = -1
    learned: datetime | None = None
    #: series, source, door, and the reading it is known by
    carried: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"series": pl.Int32, "source": pl.Int32, "door": pl.String, "known": TIME}
        )
    )
    asked: datetime | None = None
    memory: dict[str, pl.DataFrame] = field(default_factory=dict)
    #: of the last look
    at: datetime | None = None
    seen: pl.DataFrame = field(default_factory=pl.DataFrame)

    def look(self, around: Around) -> pl.DataFrame:
        """`channels.CHANNELS` of every series that was ever heard live; of one look once, however many ask."""
        if self.at == around.now:
            return self.seen
        conn, now = around.conn, around.now
        if self.stations is not around.stations:
            self.registered = registry.load_series(conn).select("series", "station", "cadence")
            self.stations = around.stations
        heard = store.live(conn).join(self.registered, on="series")
        self._learn(conn, heard, now)
        self._follow(conn, heard, now)
        ears = channels.heard_since(self._listen(conn, now), now)
        ours = ears.filter(pl.col("door") == "").select(pl.col("since").alias("ours"))
        left = channels.retired(around.stations, now).with_columns(retired=True)
        found = (
            heard.join(self.carried.drop("known"), on="series", how="left")
            .join(ears.with_columns(here=True), on="door", how="left")
            .join(ours, how="cross")
            .join(left, on="station", how="left")
            .join(self.usual, on="series", how="left")
            .with_columns(
                # What came by no door, as a file does, was heard if we were there.
                pl.when(pl.col("here").is_null()).then("ours").otherwise("since").alias("since"),
                pl.col("retired").fill_null(value=False),
            )
        )
        self.seen, self.at = conform(found, CHANNELS), now
        return self.seen

    def _learn(self, conn: Connection, heard: pl.DataFrame, now: datetime) -> None:
        if self.learned is not None and abs(now - self.learned) < LEARNED:
            return
        self.learned, newest = now, fits.newest(conn)
        if newest != self.fit:
            here = heard.select(pl.col("series").alias("subject")).with_columns(
                pl.lit(now, TIME).alias("start"), pl.lit(now + timedelta(microseconds=1), TIME).alias("stop")
            )
            self.usual = cadence.read(fits.load(conn, cadence.KIND, here)).select("series", "long", "late")
            self.fit = newest

    def _follow(self, conn: Connection, heard: pl.DataFrame, now: datetime) -> None:
        """Nothing; `carried` is as of now: of who was never asked about, and every few minutes of all that spoke."""
        new = heard.join(self.carried, on="series", how="left")
        asked = pl.col("known").is_null()
        if self.asked is None or abs(now - self.asked) >= CARRIED:
            self.asked, asked = now, asked | (pl.col("known") != pl.col("live"))
        new = new.filter(asked).select("series", "live")
        if new.is_empty():
            return
        said = new.join(store.carried(conn, new), on="series", how="left").rename({"live": "known"})
        # What nothing is known of any more stays with whom it was.
        kept = self.carried.rename({"source": "source_before", "door": "door_before", "known": "known_before"})
        found = said.join(kept, on="series", how="left").with_columns(
            pl.coalesce("source", "source_before"), pl.coalesce("door", "door_before")
        )
        self.carried = pl.concat(
            [self.carried.join(found, on="series", how="anti"), found.select(*self.carried.columns)]
        )

    def _listen(self, conn: Connection, now: datetime) -> pl.DataFrame:
        """`channels.EARS` as of now; written down where it is time to."""
        work = health.work(conn).filter((pl.col("job") == JOB) | pl.col("job").str.starts_with(f"{JOB} "))
        before = work.select(
            pl.col("job").str.strip_prefix(JOB).str.strip_chars_start(" ").alias("door"),
            pl.col("succeeded").alias("seen"),
            pl.col("failed").alias("since"),
        )
        ears = channels.listen(conform(before, EARS), spools.load(conn), now)
        changed = ears.join(before, on="door", how="left", suffix="_before").filter(
            pl.col("seen").is_not_null()
            & (pl.col("since").ne_missing(pl.col("since_before")) | (pl.col("seen") - pl.col("seen_before") >= NOTE))
        )
        if changed.height:
            health.record(
                conn,
                {
                    f"{JOB} {door}".strip(): Done(succeeded=seen, failed=since)
                    for door, seen, since in changed.select(*EARS).iter_rows()
                },
            )
        return ears


_LISTENERS: WeakKeyDictionary[Connection, Listener] = WeakKeyDictionary()


def hear(around: Around, rules: Mapping[str, alarms.Rule]) -> dict[str, Heard]:
    """What each of `rules`, of the kinds `silence` and `outage`, hears."""
    listener = _LISTENERS.setdefault(around.conn, Listener())
    seen, lasting = listener.look(around), alarms.lasting(around.others)
    known = {name: around.named(scope(rule), lasting.filter(pl.col("rule") == name)) for name, rule in rules.items()}
    found = {
        name: hear_of(rule, seen, listener.memory.get(name), known[name], around.now) for name, rule in rules.items()
    }
    listener.memory |= {name: heard.memory for name, heard in found.items()}
    return found


def placed(around: Around, made: Iterable[tuple[alarms.Rule, pl.DataFrame]]) -> pl.DataFrame:
    """`alarms.EVIDENCE` of what was `made` of each rule, with its subjects."""
    found = (around.subjects(scope(rule), rows).select(*alarms.EVIDENCE) for rule, rows in made)
    return pl.concat([empty(alarms.EVIDENCE), *found])

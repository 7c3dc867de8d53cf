"""How many rows each stage may read and write for one changed reading, by what the stages declare."""

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from analytics import detection, episodes
from analytics.frames import TIME
from analytics.store import registry
from analytics.store.connection import Connection
from jobs import chain, compare, detect
from jobs.rules import load_rules

HOUR, NO_TIME = timedelta(hours=1), timedelta(0)
#: stage -> rows read, rows written
Reach = dict[str, tuple[int, int]]


def reach(conn: Connection, series: int, at: datetime, moved: Collection[int] = ()) -> Reach:
    """Rows that each stage may read and write for a change of `series` at `at`.

    Counted in the store: what lies in the declared windows. A window grows from stage to stage, since a stage marks
    what it changed; rows read are the inputs of the window and the rows kept there, which are compared. Of the series
    that have this one as neighbour, those that `moved` (their verdicts did) go on down the chain.
    """
    step = count(conn, "SELECT cadence FROM series WHERE id = %s", series) * timedelta(seconds=1)
    flag, average = chain.STAGES["flag"][0], chain.STAGES["average"][0]
    back, forward = (max(side, flag.cadences * step) for side in (flag.back, flag.forward))
    # flag: judged again are readings from `forward` before to `back` after, which read as much again on both sides
    low, high = at - forward, at + back
    inputs = _rows(conn, "observation", [series], low - back, high + forward)
    flagged = _rows(conn, "first_verdict", [series], low, high)
    written = _rows(conn, "observation", [series], low, high)
    # decide, derive: nobody's priority changed, nothing is derived
    allowed = {"flag": (inputs + flagged, written), "decide": (0, 0), "derive": (0, 0)}
    # compare: first verdicts there and beside them become final ones, of this series and of those it is a neighbour of;
    # who has neighbours reads readings and first verdicts, its own and theirs, as far again. Reached from here on is
    # what was marked: the first verdicts that changed lie no farther than flag reaches.
    beside = chain.STAGES["compare"][0].cadences * step
    judged, read = _audience(conn, series)
    low, high = low - beside, high + beside
    first = _rows(conn, "first_verdict", judged, low, high)
    final = _rows(conn, "verdict", judged, low, high)
    heard = sum(_rows(conn, table, read, low - beside, high + beside) for table in ("observation", "first_verdict"))
    allowed["compare"] = (first + final + heard, _rows(conn, "observation", judged, low, high))
    # hour: the hours of the readings that changed or whose verdicts did
    on = sorted({series, *moved})
    low, high = whole(low), whole(high) + HOUR
    readings = _rows(conn, "observation", on, low, high) + _rows(conn, "verdict", on, low, high)
    hours = len(on) * ((high - low) // HOUR)
    allowed["hour"] = (readings + hours, hours)
    # average: what is built from those hours
    low, high = low - average.forward, high + average.back
    inputs = len(on) * ((high - low + average.back + average.forward) // HOUR)
    made = count(
        conn,
        "SELECT count(*) FROM average a JOIN term t ON t.id = a.averaging"
        " WHERE a.series = ANY(%s) AND a.time >= %s AND a.time < %s AND t.name <> 'hour'",
        on,
        whole(low),
        whole(high) + HOUR,
    )
    allowed["average"] = (inputs + made, made)
    # assess: all averages and indices of the stations there
    stations = [row[0] for row in conn.execute("SELECT DISTINCT station FROM series WHERE id = ANY(%s)", [on])]
    spoken = count(
        conn,
        "SELECT count(*) FROM average a JOIN series s ON s.id = a.series"
        " WHERE s.station = ANY(%s) AND a.time >= %s AND a.time < %s",
        stations,
        low,
        high,
    )
    indices = count(
        conn,
        "SELECT count(*) FROM assessment WHERE station = ANY(%s) AND time >= %s AND time < %s",
        stations,
        low,
        high,
    )
    allowed["assess"] = (spoken + indices, indices)
    audible = sorted({*map(int, map(str, stations)), *_around(conn, on, low, high)})
    quiet = [_quiet(conn, station, low, high) for station in audible]
    allowed["detect"] = (sum(read for read, _ in quiet), sum(written for _, written in quiet))
    return allowed


def audience(conn: Connection, series: int) -> list[int]:
    """The series that have this one as neighbour."""
    return compare.load_pairs(conn).filter(pl.col("neighbour") == series)["series"].unique().sort().to_list()


def _audience(conn: Connection, series: int) -> tuple[list[int], list[int]]:
    """Whose verdicts a change of `series` may change, and whose readings those read who have neighbours."""
    judged = sorted({series, *audience(conn, series)})
    pairs = compare.load_pairs(conn).filter(pl.col("series").is_in(judged))
    return judged, sorted({*pairs["series"], *pairs["neighbour"]})


def _around(conn: Connection, series: list[int], low: datetime, high: datetime) -> list[int]:
    """The stations that have one of the `series` around them: their background is its hours."""
    windows = pl.DataFrame({"subject": series, "start": [low] * len(series), "stop": [high] * len(series)})
    windows = windows.with_columns(pl.col("start", "stop").cast(TIME))
    found = compare.stations(conn, windows, registry.load_series(conn, series))
    return found["subject"].unique().to_list()


def _quiet(conn: Connection, station: int, low: datetime, high: datetime) -> tuple[int, int]:
    """Rows that `detect` may read and write for a change at or around a station in [low, high).

    An episode lives from one quiet stretch to the next: its values are looked for in steps, each twice as far as the
    one before. So no rule looks farther than twice the way to the end of the quiet, beyond the first step; and a rule
    that looks back does so from there, and from as long after the change; one of scores from as far as these look back.
    """
    kept = "FROM episode WHERE station = %s AND time < %s AND stop > %s"
    read = written = 0
    for rule in load_rules(conn)[-1].episodes.values():
        most = detect.MARGIN + rule.silence * HOUR + rule.back + (detection.reach(HOUR) if rule.scored else NO_TIME)
        row = conn.execute(
            f"SELECT min(time), max(stop) {kept}".encode(), [station, high + most, low - most]
        ).fetchone()
        assert row is not None
        first, last = (edge if isinstance(edge, datetime) else low for edge in row)
        far = most + 2 * max(low - first, last - high, timedelta(0)) + most
        if rule.scored:
            read += count(
                conn,
                "SELECT count(*) FROM score c JOIN series s ON s.id = c.series"
                " WHERE s.station = %s AND s.parameter = %s AND c.time >= %s AND c.time < %s",
                station,
                rule.parameter,
                low - far,
                high + far,
            )
        for parameter, averaging in rule.facts:
            others = [station]
            if averaging == episodes.BACKGROUND:
                others = (
                    compare.beside(conn, [parameter]).filter(pl.col("station") == station)["other"].unique().to_list()
                )
            read += count(
                conn,
                "SELECT count(*) FROM average a JOIN series s ON s.id = a.series JOIN term t ON t.id = a.averaging"
                " WHERE s.station = ANY(%s) AND s.parameter = %s AND t.name = %s AND a.time >= %s AND a.time < %s",
                others,
                parameter,
                "hour" if averaging in episodes.SAID else averaging,
                low - far,
                high + far,
            )
        written = max(written, count(conn, f"SELECT count(*) {kept}", station, high + far, low - far))
    return read + written, written


def _rows(conn: Connection, table: str, series: list[int], low: datetime, high: datetime) -> int:
    query = f"SELECT count(*) FROM {table} WHERE series = ANY(%s) AND time >= %s AND time <= %s"
    return count(conn, query, series, low, high)


def count(conn: Connection, query: str, *params: object) -> int:
    """The number that `query` gives."""
    row = conn.execute(query.encode(), params).fetchone()
    assert row is not None
    return int(str(row[0]))


def whole(time: datetime) -> datetime:
    """The hour that `time` lies in."""
    return time.replace(minute=0, second=0, microsecond=0)

"""From bytes to the official figure through the commands: a day worked out by hand, and real files."""

import gzip
import json
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from analytics.store import connection
from analytics.store.connection import Connection
from tests import world
from tests.commands.terminal import DONE, fetch, greenwatch
from tests.commands.terminal import everything as all_rows
from tests.conftest import SHARED, Make, needs_shared

pytestmark = pytest.mark.long

# The day. J1 has all six pollutants and nothing wrong. J2 has two, and everything wrong. J3 has an ozone afternoon.

J1 = {
    "pm25": [70, 80] * 12,  # mean 75
    "pm10": [90, 110] * 12,  # mean 100
    "so2": [15] * 24,
    "no2": [30, 50] * 12,  # mean 40
    "co": [1] * 24,
    "o3": [60] * 24,
}
#   0   1   2  3   4   5   6   7    8   9  10  11  12  13    14  15  16  17     18-20      21  22  23   hour of the day
J2_PM25 = [
    *(20, 22, 20, 0, 20, 22, 20, 22, 300, 22, 20, 22, 20, 22, 1200, 22, 20, 22, None, None, None, 22, 20, 22),
]
J2_NO2 = [38, 42] * 12  # at 10 the device says: fault
J3_O3 = [20] * 8 + [180] * 16

#: Hour -> (code, tests) of J2's PM2.5. 3 suspect, 4 fail; 1 range, 2 spike (200), 4 rate (150 an hour), 16 gap.
VERDICTS = {
    0: (3, "gap"),  # the first of all
    8: (3, "spike rate"),  # 300: 278 from its neighbours, 278 from the hour before
    9: (3, "rate"),  # 278 down; 138 from the mean of 300 and 22 or 20 is no spike
    13: (3, "spike"),  # its neighbour is 1200: (20 + 1200) / 2 - 22
    14: (4, "gross_range spike rate"),  # above 1000
    15: (3, "spike rate"),
    21: (3, "gap"),  # four hours after 17
}
#: A zero at hour 3 is a value: 20 values enter, 8 x 20 + 10 x 22 + 0 + 300 = 680.
J2_DAY = (680 / 20, 20)
#: Without the fault: 11 x 38 + 12 x 42 = 922 of 23.
J2_NO2_DAY = (40.086957, 23)

#: station -> index, class, category, primary of the day.
DAYS: dict[str, dict[str, tuple[object, ...]]] = {
    # 2012: PM2.5 75 is just 100; PM10 100 halfway from 50 to 150: 75; NO2 40: 50; CO 1: 25; SO2 15: 15; O3 60: 30.
    # J2: PM2.5 34 of 35: 48.6 up to 49; NO2 40: 50, and up to 50 nothing is primary.
    # J3: 180 is 20 of the 55 from 160 to 215: 100 + 18.2 up to 119.
    "HJ 633-2012": {
        "J1": (100, 2, "good", "pm25"),
        "J2": (50, 1, "excellent", None),
        "J3": (119, 3, "lightly polluted", "o3"),
    },
    # 2026: PM2.5 75 is 15 of the 55 from 60 to 115: 100 + 13.6 up to 114; PM10 100 is 50 of 70: 50 + 35.7 up to 86.
    # J2: two of six pollutants, and not above 100: no figure. J3: above 100, though alone: as before.
    "HJ 633-2026": {
        "J1": (114, 3, "lightly polluted", "pm25"),
        "J2": (None, None, None, None),
        "J3": (119, 3, "lightly polluted", "o3"),
    },
}
#: Index of J1's even and odd hours: PM2.5 on the 24 h column, 70 and 80.
# 2012: 50 + 50 x 35/40 = 93.75, 100 + 50 x 5/40 = 106.25. 2026: 100 + 50 x 10/55 = 109.1, 100 + 50 x 20/55 = 118.2.
HOURS = {"HJ 633-2012": (94, 107), "HJ 633-2026": (110, 119)}


def write(day: date, folder: Path) -> list[Path]:
    """The day as a wide file, times on Beijing's clock, and the marked reading as a long one."""
    lines = ["station,time,pm25,pm10,so2,no2,co,o3"]
    for hour in range(24):
        stamp = f"{day}T{hour:02}:00:00+08:00"
        lines.append(f"J1,{stamp}," + ",".join(str(J1[name][hour]) for name in J1))
        no2 = "" if hour == 10 else J2_NO2[hour]
        pm25 = "" if J2_PM25[hour] is None else J2_PM25[hour]
        lines.append(f"J2,{stamp},{pm25},,,{no2},,")
        lines.append(f"J3,{stamp},,,,,,{J3_O3[hour]}")
    wide, marked = folder / "wide.csv.gz", folder / "marked.csv"
    wide.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
    marked.write_text(f"station,parameter,time,value,mark\nJ2,no2,{day}T10:00:00+08:00,{J2_NO2[10]},D\n")
    return [wide, marked]


def local(day: date, hour: int = 0) -> datetime:
    """UTC of an hour of Beijing's day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour - 8)


@pytest.mark.parametrize(
    ("day", "edition", "dsn"),
    [
        (date(2026, 2, 10), "HJ 633-2012", "apache"),
        (date(2026, 2, 28), "HJ 633-2012", "plain"),
        (date(2026, 3, 1), "HJ 633-2026", "plain"),
        (date(2026, 3, 10), "HJ 633-2026", "apache"),
    ],
    indirect=["dsn"],
)
def test_a_day_worked_out_by_hand(dsn: str, tmp_path: Path, day: date, edition: str) -> None:
    done = greenwatch("ingest", "--register", "--json", *write(day, tmp_path), "--dsn", dsn)
    assert done.code == DONE
    values = 6 * 24 + (21 + 23) + 24 + 1
    assert [done.json[key] for key in ("read", "new", "replaced", "duplicates", "missing", "rejects")] == [
        *(3 * 24 * 6 + 1, values, 0, 0, 3 * 24 * 6 + 1 - values, 0)
    ]
    assert greenwatch("settle", "--dsn", dsn).code == DONE

    verdicts = fetch("verdicts", dsn, tmp_path, format="parquet")
    of_j2 = verdicts.filter(station="J2", parameter="pm25").select("time", "code", "tests").rows()
    assert of_j2 == [(local(day, hour), *verdict) for hour, verdict in VERDICTS.items()]
    of_no2 = verdicts.filter(station="J2", parameter="no2").select("time", "code", "tests").rows()
    assert of_no2 == [(local(day), 3, "gap"), (local(day, 10), 4, "device_mark")]
    of_j1 = verdicts.filter(station="J1").select("parameter", "time", "code", "tests").rows()
    assert of_j1 == [(name, local(day), 3, "gap") for name in sorted(J1)]
    of_j3 = verdicts.filter(station="J3").select("time", "code", "tests").rows()
    assert of_j3 == [(local(day), 3, "gap"), (local(day, 8), 3, "rate")]  # 160 in an hour

    averages = fetch("averages", dsn, tmp_path, format="parquet").select(
        "station", "parameter", "averaging", "time", "value", "count"
    )
    days = {row[:2]: row[3:] for row in averages.filter(averaging="day").drop("averaging").rows()}
    assert {row[2] for row in averages.filter(averaging="day").drop("averaging").rows()} == {local(day)}
    assert days == {
        ("J1", "pm25"): (75, 24),
        ("J1", "pm10"): (100, 24),
        ("J1", "so2"): (15, 24),
        ("J1", "no2"): (40, 24),
        ("J1", "co"): (1, 24),
        ("J2", "pm25"): J2_DAY,
        ("J2", "no2"): J2_NO2_DAY,
    }
    hours = {row[3]: row[4:] for row in averages.filter(station="J2", parameter="pm25", averaging="hour").rows()}
    wanted = {local(day, hour): (value, 1) for hour, value in enumerate(J2_PM25) if value is not None}
    assert hours == wanted | {local(day, 14): (None, 0)}  # it failed: no mean, no row of a good one
    eight = averages.filter(station="J3", averaging="running8").select("time", "value", "count").rows()
    # 6 of 8 hours make a mean: the first at 5; then 180 comes in, hour by hour
    assert eight[4:9] == [
        *((local(day, 4), None, 5), (local(day, 5), 20, 6), (local(day, 6), 20, 7), (local(day, 7), 20, 8)),
        (local(day, 8), 40, 8),
    ]
    assert eight[-1] == (local(day, 23), 180, 8)
    best = averages.filter(averaging="mda8").select("station", "time", "value", "count").rows()
    assert best == [("J1", local(day), 60, 17), ("J3", local(day), 180, 17)]
    moving = {row[3]: row[4:] for row in averages.filter(station="J1", parameter="pm25", averaging="moving24").rows()}
    assert moving[local(day, 18)] == (None, 19)
    assert moving[local(day, 19)] == (75, 20)
    assert moving[local(day, 23)] == (75, 24)

    found = fetch("assessments", dsn, tmp_path, format="parquet")
    assert set(found["standard"]) == {edition}
    rows = found.filter(averaging="day").select("station", "time", "index", "class", "category", "primary").rows()
    assert rows == [(station, local(day), *index) for station, index in DAYS[edition].items()]
    hourly = found.filter(station="J1", averaging="hour").select("time", "index", "primary").rows()
    assert hourly == [(local(day, hour), HOURS[edition][hour % 2], "pm25") for hour in range(24)]
    if edition == "HJ 633-2012":
        text = found.filter(station="J1", averaging="hour-moving24").select("index", "primary").rows()
        # Until 20 hours are there particles have no mean: ozone 60 of 160 is 18.75 up to 19, odd hours NO2 50: 25.
        assert text == [(19, None), (25, None)] * 9 + [(19, None)] + [(100, "pm25")] * 5


def test_the_same_day_in_pieces_ends_in_the_same_tables(dsn: str, make_database: Make, tmp_path: Path) -> None:
    """The marked reading, then the afternoon, then the rest with some of it again; settled after each."""
    wide, marked = write(date(2026, 3, 1), tmp_path)
    whole = make_database("apache")
    for words in (["ingest", "--register", wide, marked], ["settle"]):
        assert greenwatch(*words, "--dsn", whole).code == DONE
    lines = gzip.decompress(wide.read_bytes()).decode().splitlines()
    tail, head = tmp_path / "tail.csv", tmp_path / "head.csv"
    tail.write_text("\n".join([lines[0], *lines[30:]]))
    head.write_text("\n".join([lines[0], *lines[1:40]]))
    for piece in (marked, tail, head):
        assert greenwatch("ingest", "--register", piece, "--dsn", dsn).code == DONE
        assert greenwatch("settle", "--dsn", dsn).code == DONE
    for kind in ("observations", "verdicts", "averages", "assessments"):
        assert fetch(kind, dsn, tmp_path, format="parquet").equals(fetch(kind, whole, tmp_path, format="parquet"))


# Real files


@needs_shared
def test_a_station_of_beijing_and_the_same_file_again(conn: Connection, dsn: str, tmp_path: Path) -> None:
    path = SHARED / "data" / "beijing-prsa" / "PRSA_Data_Dingling_20130301-20170228.csv.gz"
    file = pl.read_csv(path, infer_schema=False)
    cells = file.drop("No", "year", "month", "day", "hour", "station")
    empty = cells.select(pl.all().is_null() | pl.all().is_in(["", "NA"])).sum().sum_horizontal().item()
    words = ["ingest", "--register", "--json", path, "--dsn", dsn]
    first = greenwatch(*words).json
    assert first["read"] == cells.height * cells.width
    assert (first["missing"], first["rejects"]) == (empty, 0)
    assert first["new"] == cells.height * cells.width - empty
    work = json.loads(greenwatch("settle", "--json", "--dsn", dsn).out)
    assert work["later"] == 0
    before = world.picture(conn)
    assert len(before["observation"]) == first["new"]
    days = fetch("assessments", dsn, tmp_path, "--averaging", "day", format="parquet")
    assert set(days["standard"]) == {"HJ 633-2012"}  # in Beijing since 2013
    assert days.height > 0.9 * cells.height / 24
    assert days["index"].drop_nulls().is_between(1, 500).all()
    averages = fetch("averages", dsn, tmp_path, "--parameter", "PM2.5", format="parquet")
    assert set(averages["averaging"]) == {"hour", "moving24", "day"}
    # The mean of a day by eye: the hours of the file that were not failed.
    day = date(2014, 2, 20)
    hours = file.filter(year=str(day.year), month=str(day.month), day=str(day.day))["PM2.5"].cast(
        pl.Float64, strict=False
    )
    assert hours.null_count() == 0
    mean = averages.filter(pl.col("time") == local(day), averaging="day")["value"].item()
    assert mean == pytest.approx(hours.mean(), abs=1e-6)

    tables = all_rows(conn)
    second = greenwatch(*words).json
    assert (second["new"], second["replaced"], second["duplicates"]) == (0, 0, first["new"])
    assert (second["read"], second["missing"], second["conflicts"]) == (first["read"], empty, 0)
    again = all_rows(conn)
    assert again["stale"] == []  # nothing is marked
    assert len(again.pop("batch")) > len(tables.pop("batch"))
    assert again == tables


@needs_shared
def test_two_days_of_china_give_the_published_index(make_database: Make, tmp_path: Path) -> None:
    """Every third station of two days' files: their bytes, and the same path as the whole (which `make soak` runs)."""
    dsn, files, paths = make_database("apache"), [], []
    for day in (12, 13):
        name = f"china_sites_201905{day}.csv"
        whole = pl.read_csv(SHARED / "data" / "cnemc-2019" / "raw" / f"{name}.gz", infer_schema=False)
        files.append(whole.select(*whole.columns[:3], *whole.columns[3::3]))
        paths.append(tmp_path / name)
        files[-1].write_csv(paths[-1])
    done = greenwatch("ingest", "--register", "--json", *paths, "--dsn", dsn).json
    assert done["read"] == sum(file.height * (file.width - 3) for file in files)
    assert done["read"] == done["new"] + done["missing"]
    assert greenwatch("settle", "--dsn", dsn).code == DONE
    published = fetch("observations", dsn, tmp_path, "--parameter", "aqi", format="parquet")
    ours = fetch("assessments", dsn, tmp_path, "--averaging", "hour", format="parquet")
    # Complete: the hour has all six pollutants in the file.
    six = ["pm25", "pm10", "so2", "no2", "co", "o3"]
    words = [word for name in six for word in ("--parameter", name)]
    read = fetch("observations", dsn, tmp_path, *words, format="parquet")
    complete = read.group_by("station", "time").len().filter(len=len(six))
    rows = published.join(complete, on=["station", "time"]).join(ours, on=["station", "time"], how="left")
    assert rows.height > 20_000
    equal = rows.filter(pl.col("index") == pl.col("value")).height
    assert equal / rows.height >= 0.999, f"{equal} of {rows.height}"
    with closing(connection.connect(dsn)) as conn:
        assert conn.execute("SELECT count(*) FROM stale").fetchone() == (0,)

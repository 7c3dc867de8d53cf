"""`greenwatch simulate files`: the history of the made-up district in a folder, ready for the public ways in."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from analytics.synthetic import District
from analytics.texts import TEXTS
from jobs import console
from jobs.simulate.options import Episode, Scale, Seed, district, moment

EXAMPLE = "Example: greenwatch simulate files /tmp/district --seed 1 --days 60 --episode now"

#: The file that says what the others are; `simulate live` goes on from it.
MANIFEST = "district.toml"
#: How CSV files write times.
TIMES = "%Y-%m-%dT%H:%M:%SZ"
#: Name of a cadence -> [s], and how much of the history has it: the days of `--days`, or of `--minutes`.
CADENCES = {"10m": 600, "1m": 60, "4h": 14_400}


@dataclass(frozen=True, slots=True)
class History:
    """What is written: the whole of it from `start`, at a minute from `minutes`, both to `stop`."""

    district: District
    start: datetime
    minutes: datetime
    stop: datetime

    def since(self, cadence: str) -> datetime:
        """Where the history of `cadence` begins."""
        return self.minutes if cadence == "1m" else self.start


def main(
    folder: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Where the files go; made if needed.")],
    seed: Seed = 1,
    days: Annotated[int, typer.Option(min=1, max=3660, help="Days of history at 10 minutes.")] = 60,
    end: Annotated[str, typer.Option(help="Where the history ends: a time with an offset, or now.")] = "now",
    minutes: Annotated[int, typer.Option(min=0, help="The last so many days come at one minute, too.")] = 2,
    scale: Scale = 1,
    episode: Episode = None,
) -> None:
    """Write the made-up district's history: registry, readings, weather forecast, and what was put into it."""
    stop = moment(end, "--end")
    history = plan(district(seed, scale, episode, stop), stop, days=days, minutes=minutes)
    began = time.perf_counter()
    rows = write(folder, history)
    count = sum(number for name, number in rows.items() if name.startswith(("readings", "late")))
    console.people.print(*TEXTS["synthetic"], sep="\n", style="bold")
    console.people.print(
        f"{count:,} readings in {time.perf_counter() - began:.1f} s; {folder / 'README.txt'} says how to load them"
    )
    console.out.print(str(folder), soft_wrap=True)


def plan(made: District, stop: datetime, *, days: int = 60, minutes: int = 2) -> History:
    """The history of `made` that ends at `stop`."""
    return History(made, stop - timedelta(days=days), stop - timedelta(days=min(minutes, days)), stop)


def write(folder: Path, history: History) -> dict[str, int]:
    """Rows by file name; every file appears whole or not at all, and the manifest last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    made, rows = history.district, dict[str, int]()

    def put(name: str, frame: pl.DataFrame, save: Callable[[pl.DataFrame, Path], object]) -> None:
        part = folder / f"{name}.part"
        save(frame, part)
        part.replace(folder / name)
        rows[name] = frame.height

    put("stations.csv", made.registry(), _csv)
    put("zones.csv", made.zones(), _csv)
    for name, seconds in CADENCES.items():
        came = made.deliveries(history.since(name), history.stop, seconds)
        came = came.filter(pl.col("time") >= history.since(name))
        late = pl.col("due") > pl.col("time")
        put(f"readings-{name}.parquet", came.filter(~late).drop("due"), _parquet)
        put(f"late-{name}.parquet", came.filter(late).drop("due"), _parquet)
    put("weather_forecast.csv", made.forecast(history.start, history.stop), _csv)
    put("waterings.csv", made.waterings(history.start, history.stop), _csv)
    put("truth.csv", made.truth(history.start, history.stop), _csv)
    (folder / "README.txt").write_text(_readme(history, rows), encoding="utf-8")
    (folder / MANIFEST).write_text(_manifest(history), encoding="utf-8")
    return rows


def _csv(frame: pl.DataFrame, path: Path) -> None:
    frame.write_csv(path, datetime_format=TIMES)


def _parquet(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="zstd", compression_level=3)


def _manifest(history: History) -> str:
    made = history.district
    lines = [f"# {' '.join(TEXTS['synthetic'])}", f"seed = {made.seed}", f"scale = {made.scale}"]
    if made.episode is not None:
        lines.append(f"episode = {made.episode.isoformat()}")
    lines += [f"{name} = {getattr(history, name).isoformat()}" for name in ("start", "minutes", "stop")]
    return "\n".join([*lines, ""])


def _readme(history: History, rows: dict[str, int]) -> str:
    made, program = history.district, console.program()
    loads = "\n".join(
        f"  {program} ingest --source synthetic --cadence {name} readings-{name}.parquet" for name in CADENCES
    )
    lates = "\n".join(
        f"  {program} ingest --source synthetic --cadence {name} late-{name}.parquet" for name in CADENCES
    )
    first, last = (f"{at:%Y-%m-%d %H:%M}Z" for at in (history.start, history.stop))
    listed = "\n".join(f"  {name:<24}{number:>12,} rows" for name, number in rows.items())
    return f"""{TEXTS["synthetic"][0]}
{TEXTS["synthetic"][1]}

A made-up district of {len(made.stations())} stations, seed {made.seed}, {first} to {last}.
合成城区，{len(made.stations())}个站点，种子 {made.seed}。所有站点编码以 SYN- 开头，名称含 Synthetic/合成。

{listed}

Load them, in this order / 按此顺序导入:

  {program} register stations.csv
  {program} register zones.csv
{loads}
  {program} settle

What stations kept back and sent late, to be repaired / 迟到数据:

{lates}
  {program} settle

Go on live from where the files end / 从文件结束处继续实时发送:

  {program} simulate live --like {MANIFEST}
  {program} simulate truth --like {MANIFEST} --to now

readings, late   station, parameter, time (start of the period), value in the parameter's unit
weather_forecast station, parameter, issued, valid (start of the hour), value
waterings        zone, start, stop, depth [mm], volume [m³]: what the crews gave
truth            kind, class (event: it happened; fault: the sensor failed), domain, station (empty: the district),
                 parameter (empty: all of the station), start, stop, magnitude in the unit that note says
"""

"""Rivals and ours on the same rows: `python -m tests.compare.run --rivals PYTHON`.

Every side runs in a fresh process and reads and writes Parquet; the time is that of the work alone, the memory is the
highest of the whole process. `PYTHON` is an interpreter with `requirements.lock` installed. Prints one table.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from analytics import parameters, quality
from tests.benchmarks.common import readings
from tests.published.cnemc_report import FOLDER, NAMES, wide
from tests.soak.house import ROOT

#: Rows that aqi-hub gets: a call a row is slow.
SAMPLE = 50_000
ROUNDS = 3
HERE = Path(__file__).parent
#: Runs a rival's script and says the highest memory of its process: of the script's own words none is about it.
WATCH = (
    "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__');"
    " print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
)


@dataclass(slots=True)
class Side:
    """What one side said: rows a second, memory [MiB], its version, its rows."""

    seconds: list[float] = field(default_factory=list)
    memory: float = 0.0
    version: str = ""
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)

    def rate(self, count: int) -> str:
        """Rows a second, in the median of the rounds."""
        return f"{count / median(self.seconds):,.0f}"


def main() -> None:
    """Prints the table, and below it what was compared and how."""
    parser = argparse.ArgumentParser(prog="python -m tests.compare.run")
    parser.add_argument(
        "--rivals", required=True, metavar="PYTHON", help="interpreter with requirements.lock installed"
    )
    rivals = parser.parse_args().rivals
    table = Table(title="ours and rivals, the same rows in the same run", pad_edge=False)
    for name in ("subject", "who", "rows", "rows/s", "MiB", "agreement"):
        table.add_column(name, justify="right" if name in ("rows", "rows/s", "MiB") else "left", overflow="fold")
    notes: list[str] = []
    with TemporaryDirectory(prefix="greenwatch-compare-") as made:
        folder = Path(made)
        if FOLDER.exists():
            notes += _aqi(table, rivals, folder)
        else:
            notes.append("index: skipped, it needs cnemc-2019 of ../shared/data")
        table.add_section()
        notes += _quality(table, rivals, folder)
        table.add_section()
        notes += _averages(table, rivals, folder)
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 130)
    out.print(table)
    for note in notes:
        out.print(note, style="dim")


def _sides(name: str, source: Path, theirs: Path, rivals: str, folder: Path) -> tuple[Side, Side]:
    """Ours on `source`, the rival's on `theirs`, in turn."""
    us, them = Side(), Side()
    for _ in range(ROUNDS):
        target = folder / "ours.out"
        words = _run([sys.executable, "-m", "tests.compare.ours", name, str(source), str(target)])
        us.seconds.append(float(words[0]))
        us.memory, us.rows = max(us.memory, float(words[1])), pl.read_parquet(target)
        target = folder / "theirs.out"
        script = str(HERE / "rivals" / f"{name}.py")
        words = _run([rivals, "-I", "-c", WATCH, script, str(theirs), str(target)])
        them.seconds.append(float(words[0]))
        them.version, them.rows = words[1], pl.read_parquet(target)
        them.memory = max(them.memory, int(words[2]) / 1024)
    return us, them


def _run(words: list[str]) -> list[str]:
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split()


def _aqi(table: Table, rivals: str, folder: Path) -> list[str]:
    """The hourly index, against the published one and, for the edition that the rival has, against each other."""
    rows = wide().filter(pl.col("gaps") == 0, pl.col("AQI").is_not_null()).rename(NAMES)
    rows = rows.select("station", "time", *NAMES.values(), published="AQI")
    past, new, few = folder / "past.parquet", folder / "new.parquet", folder / "few.parquet"
    rows.write_parquet(past)
    sample = rows.sample(SAMPLE, seed=1)
    sample.write_parquet(few)
    # Eight years later the edition of 2026 is in force, which is the one the rival has.
    sample.with_columns(pl.col("time").dt.offset_by("8y")).write_parquet(new)
    us, them = _sides("aqi", past, few, rivals, folder)
    later, again = _sides("aqi", new, few, rivals, folder)
    published = _equal(us.rows["index"], rows["published"])
    theirs = _equal(them.rows["index"], sample["published"])
    both = _equal(later.rows["index"], again.rows["index"])
    name = f"aqi-hub {them.version}"
    table.add_row(
        "hourly AQI", "ours", f"{rows.height:,}", us.rate(rows.height), f"{us.memory:,.0f}", f"{published} of published"
    )
    table.add_row(
        "",
        name,
        f"{SAMPLE:,}",
        them.rate(SAMPLE),
        f"{them.memory:,.0f}",
        f"{theirs} of published; it has the 2026 edition only",
    )
    table.add_row(
        "",
        "both, 2026",
        f"{SAMPLE:,}",
        f"{later.rate(SAMPLE)} / {again.rate(SAMPLE)}",
        "",
        f"{both} equal to one another",
    )
    return [
        "hourly AQI: the complete rows of sixty_stations_jan_oct that have a published index; for"
        f" {name} {SAMPLE:,} of them drawn at random, since it takes a row a call; ours goes from six hourly values"
        " a row to index, class and primary pollutant"
    ]


def _equal(left: pl.Series, right: pl.Series) -> str:
    same = left.cast(pl.Float64).eq_missing(right.cast(pl.Float64))
    return f"{same.sum() / len(same):.4%}"


def _quality(table: Table, rivals: str, folder: Path) -> list[str]:
    """Four tests of QARTOD on made-up hours without gaps, some of them stuck."""
    frame, _ = readings(150, 8760, timedelta(hours=1), gaps=0)
    # One stretch of eight hours in a hundred repeats the value before it.
    stretches = np.random.Generator(np.random.PCG64(5)).random(frame.height // 8 + 1) < 0.01
    frame = frame.with_columns(stuck=np.repeat(stretches, 8)[: frame.height])
    held = pl.when(~pl.col("stuck")).then("value").forward_fill().fill_null(40.0).over("series")
    frame = frame.select("series", "time", value=held)
    source = folder / "quality.parquet"
    frame.write_parquet(source)
    limits = parameters.load()["pm25"].quality
    given = {
        "suspect": limits["gross_range"]["suspect"],
        "fail": limits["gross_range"]["fail"],
        "spike": limits["spike"]["suspect"],
        "rate": limits["rate"]["suspect"],
        "flat": 3600 * limits["flat_line"]["suspect"],
        "tolerance": limits["flat_line"]["tolerance"] + quality.SLACK,
    }
    source.with_suffix(".json").write_text(pl.Series([given]).struct.json_encode()[0])
    us, them = _sides("quality", source, source, rivals, folder)
    parts = []
    for name in them.rows.columns:
        ours = (us.rows["tests"] & quality.TESTS[name].bit) > 0
        theirs = them.rows[name].is_in([quality.SUSPECT, quality.FAIL])
        parts.append(f"{name} {ours.sum():,} / {theirs.sum():,}, {(ours != theirs).sum()} apart")
    count = frame.height
    table.add_row("quality control", "ours", f"{count:,}", us.rate(count), f"{us.memory:,.0f}", "; ".join(parts))
    table.add_row(
        "", f"ioos_qc {them.version}", f"{count:,}", them.rate(count), f"{them.memory:,.0f}", "objections ours / theirs"
    )
    return [
        "quality control: 150 made-up series of a year of hours; both run gross range, spike, rate and flat line"
        " with the limits of PM2.5; ours runs gap and device mark as well and folds them into one verdict"
    ]


def _averages(table: Table, rivals: str, folder: Path) -> list[str]:
    """Moving means of 24 hours of which 20 must be there."""
    frame, _ = readings(150, 8760, timedelta(hours=1))
    source = folder / "averages.parquet"
    frame.select("series", "time", "value").write_parquet(source)
    us, them = _sides("averages", source, source, rivals, folder)
    count = frame.height
    apart = (us.rows["whole"] - them.rows["whole"].fill_nan(None)).abs().max()
    assert isinstance(apart, float)
    first, last = pl.col("time").min(), pl.col("time").max()
    inside = frame.select(pl.col("time") >= first + (last - first) / 2 + timedelta(hours=24)).to_series()
    for name, side in (("ours", us), (f"pandas {them.version}", them)):
        said = side.rows.filter(inside).with_columns(pl.col("whole", "piece").fill_nan(None)).drop_nulls("whole")
        changed = said["whole"].ne_missing(said["piece"]).sum()
        words = f"{changed:,} of {said.height:,} other bits from another start"
        table.add_row(
            "moving means of 24 h" if side is us else "",
            name,
            f"{count:,}",
            side.rate(count),
            f"{side.memory:,.0f}",
            words if side is us else f"{words}; at most {apart:.1e} from ours",
        )
    return [
        "moving means: 150 made-up series of a year of hours, one in fifty missing; pandas: rolling('24h',"
        " min_periods=20) by series. Other bits: rows whose whole window lies in the second half of the year and that"
        " differ when that half is made by itself (law 3 asks for none)"
    ]


if __name__ == "__main__":
    main()

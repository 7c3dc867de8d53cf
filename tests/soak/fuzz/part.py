"""A million damaged frames, and ten minutes of fuzzing guided by what is reached, from the bytes of a line to readings.

No crash, no hang, and the good frame behind whatever came is never lost. The seeds are printed: `mutants.mutants(SEED,
COUNT)` does it again, and what the fuzzer found is kept in the details as hexadecimal bytes for `way.walk`.
"""

import json
import multiprocessing
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from tests.conftest import SHARED
from tests.soak.figures import Outcome
from tests.soak.fuzz import way
from tests.soak.fuzz.mutants import Tally, mutants
from tests.soak.house import ROOT, House, pace, people
from tests.telemetry import test_hj212_frames

#: Damaged frames, how many of them of one seed, how long fuzzing is guided [s], by how many processes.
MUTANTS, SHARE, SECONDS, PROCESSES = 1_000_000, 50_000, 600, 2
#: One input may take so long [s]: a few milliseconds are usual, and a machine pauses at times.
SLOWEST, HANGS = 0.5, 20
#: Memory of a process [MiB]: more, of one that has seen a tenth of its mutants; at most, of one that is guided.
GROWTH, MEMORY = 32, 1024
#: Bytes of an input: three of the longest frames.
LONGEST = 3200
LOCK = Path(__file__).with_name("requirements.lock")
SAMPLE = ROOT / "tests" / "samples" / "hj212" / "line.log"


def run(house: House, _: int) -> Outcome:
    """Figures of both."""
    out = Outcome()
    count, seconds = (int(os.environ.get(f"GREENWATCH_FUZZ_{name}", usual)) for name, usual in _USUAL.items())
    _damaged(out, count)
    with house.files() as folder:
        _guided(out, folder, seconds)
    return out


_USUAL = {"MUTANTS": MUTANTS, "SECONDS": SECONDS}


def _damaged(out: Outcome, count: int) -> None:
    first = secrets.randbits(32)
    shares = [(first + number, min(SHARE, count - done)) for number, done in enumerate(range(0, count, SHARE))]
    people.print(f"fuzz: mutants of the seeds {first} to {shares[-1][0]}")
    tallies = list[Tally]()
    with (
        ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool,
        pace("fuzz", count, "mutants") as step,
    ):
        for done in as_completed([pool.submit(mutants, *share) for share in shares]):
            tallies.append(done.result())
            step(tallies[-1].mutants)
    out.add("damaged frames", sum(one.mutants for one in tallies), "", least=count)
    out.add("good frames lost behind them", sum(one.lost for one in tallies), "", most=0)
    out.add("frames taken among them", sum(one.frames for one in tallies))
    out.add("faults told", sum(one.faults for one in tallies))
    out.add("slowest of them, time of the processor", max(one.slowest for one in tallies), "s", most=SLOWEST)
    out.add("memory that a process took more [MiB]", max(one.grown for one in tallies), "MiB", most=GROWTH)
    out.details["mutants"] = [asdict(one) for one in sorted(tallies, key=lambda one: one.seed)]


def _guided(out: Outcome, folder: Path, seconds: int) -> None:
    """Figures of the guided fuzzing in `folder`, where the fuzzer is put, too: it is nobody else's business."""
    tools, corpus, found = (folder / name for name in ("tools", "corpus", "found"))
    for made in (corpus, found):
        made.mkdir()
    words = ["-m", "pip", "install", "--quiet", "--require-hashes", "--target", str(tools), "-r", str(LOCK)]
    subprocess.run([sys.executable, *words], check=True)
    begin = list(way.inputs(_frames()))
    for number, data in enumerate(begin):
        (corpus / f"{number:05}").write_bytes(data)
    environ = os.environ | {"PYTHONPATH": str(tools)}
    first = secrets.randbits(31)
    people.print(f"fuzz: {PROCESSES} guided processes for {seconds} s, seeds from {first}")
    options = {"max_total_time": seconds, "timeout": HANGS, "rss_limit_mb": MEMORY, "max_len": LONGEST}
    options |= {"print_final_stats": 1, "reload": 1}
    given = [f"-{name}={value}" for name, value in options.items()] + [f"-artifact_prefix={found}{os.sep}"]
    logs = [folder / f"{number}.log" for number in range(PROCESSES)]
    running = []
    for number, log in enumerate(logs):
        with log.open("wb") as said:
            line = [sys.executable, "-m", "tests.soak.fuzz.guided", str(corpus), *given, f"-seed={first + number}"]
            running.append(subprocess.Popen(line, cwd=ROOT, env=environ, stdout=said, stderr=subprocess.STDOUT))
    with pace("fuzz", seconds * PROCESSES, "s") as step:
        codes = [_waited(process, seconds, step) for process in running]
    texts = [log.read_text("utf-8", "replace") for log in logs]
    out.add("guided: executions", sum(_last(r"number_of_executed_units: +(\d+)", text) for text in texts), least=1)
    out.add("guided: seconds of each process", seconds, "s", least=SECONDS)
    out.add("guided: edges reached", max(_last(r"cov: (\d+)", text) for text in texts))
    out.add("guided: inputs that reach something of their own", len(list(corpus.iterdir())), least=len(begin))
    out.add("guided: slowest input [s]", max(_last(r"slowest_unit_time_sec: +(\d+)", text) for text in texts), most=1)
    out.add("guided: memory [MiB]", max(_last(r"peak_rss_mb: +(\d+)", text) for text in texts), "MiB", most=MEMORY)
    out.add("guided: processes that ended with a finding", sum(map(bool, codes)), "", most=0)
    out.details["findings"] = {path.name: path.read_bytes().hex() for path in sorted(found.iterdir())}
    out.details["last words"] = [text[-3000:] for text, code in zip(texts, codes, strict=True) if code]
    out.details["seed"] = first
    if not any(codes):
        _reached(out, corpus)


def _frames() -> list[bytes]:
    """Frames to begin with: of the sample, and the printed ones where they are at hand."""
    log = SAMPLE.read_bytes()
    frames = [log, *(line[line.index(b"##") :] + b"\n" for line in log.splitlines() if b"##" in line)]
    if SHARED.exists():
        frames += [row["frame_without_crlf"].encode() + b"\r\n" for row in test_hj212_frames.frames()]
    return frames


def _waited(process: "subprocess.Popen[bytes]", seconds: int, step: Callable[..., None]) -> int:
    """The exit code of `process`, which ends by itself; another than 0 where it does not."""
    try:
        return process.wait(seconds + 10 * HANGS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    finally:
        step(seconds)


def _last(pattern: str, text: str) -> int:
    return int((re.findall(pattern, text) or ["0"])[-1])


def _reached(out: Outcome, corpus: Path) -> None:
    words = [sys.executable, "-m", "tests.soak.fuzz.reach", str(corpus)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    lines: dict[str, tuple[int, list[int]]] = json.loads(done.stdout)
    out.add("guided: lines of the way", sum(count for count, _ in lines.values()))
    out.add("guided: lines that no input reached", sum(len(missed) for _, missed in lines.values()))
    out.details["not reached"] = {name: missed for name, (_, missed) in lines.items() if missed}

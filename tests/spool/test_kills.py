"""Law 7 of the spool itself: a real process, SIGKILL, a limit of the system; what it acknowledged is there."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from analytics import spool
from analytics.spool import Spool
from tests.spool.folders import everything, files

REPOSITORY = Path(__file__).parents[2]
#: Four threads append; each says what was acknowledged, a line each, as soon as it was.
SENDER = """
import os, sys, threading
from datetime import UTC, datetime
from pathlib import Path
from analytics.spool import Spool

owner = Spool(Path(sys.argv[1]), most=60_000)

def work(thread):
    for number in range(10**9):
        payload = f"{sys.argv[2]} {thread} {number} ".encode() + b"x" * (number * 37 % 3000)
        place = owner.append(payload, {"thread": str(thread)}, datetime.now(UTC)).result()
        os.write(1, f"{place} {sys.argv[2]} {thread} {number}\\n".encode())

for thread in range(4):
    threading.Thread(target=work, args=[thread]).start()
"""


def test_whatever_was_acknowledged_before_a_kill_is_there(tmp_path: Path) -> None:
    dice = random.Random(5)
    acknowledged: dict[bytes, str] = {}
    for turn in range(4):
        words = [sys.executable, "-W", "error", "-c", SENDER, str(tmp_path / "s"), str(turn)]
        with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(dice.uniform(0.02, 0.25))
            process.kill()
            lines = [first, *process.stdout.read().splitlines(keepends=True)]
            assert process.wait() == -signal.SIGKILL
        said = [line.split(b" ", 1) for line in lines if line.endswith(b"\n")]
        acknowledged.update({words.rstrip(): place.decode() for place, words in said})
        if dice.random() < 0.5:
            with Spool(tmp_path / "s"):
                pass  # an owner that comes and goes
    found = spool.read(tmp_path / "s", None, 10**6, room=10**9)
    there = {b" ".join(record.payload.split(b" ")[:3]): str(record.place) for record in found.records}
    assert len(there) == len(found.records)
    assert len(acknowledged) > 100
    assert acknowledged.items() <= there.items()
    assert len({place.partition(":")[0] for place in there.values()}) >= 4
    with Spool(tmp_path / "s") as owner:
        assert owner.number == len(there)
        assert spool.read(tmp_path / "s", None, 10**6, room=10**9).damages == []


#: A file may have so many bytes: the system's own limit. What is refused is said, what is kept, too.
LIMITED = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from analytics.spool import Full, Spool

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with Spool(Path(sys.argv[1])) as owner:
    for number in range(200):
        problem = owner.append(b"%d " % number + b"x" * 990, {}, datetime.now(UTC)).exception()
        assert problem is None or isinstance(problem, Full), problem
        print(number, "kept" if problem is None else "refused")
"""


def test_the_limit_of_the_system_is_a_full_disk(tmp_path: Path) -> None:
    words = [sys.executable, "-W", "error", "-c", LIMITED, str(tmp_path / "s")]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = dict(line.split() for line in done.stdout.splitlines())
    assert set(said.values()) == {"kept", "refused"}
    assert list(said.values())[-1] == "kept" or list(said.values())[-2] == "kept"  # it went on
    found = everything(tmp_path / "s")
    assert [record.payload.split()[0].decode() for record in found] == [each for each in said if said[each] == "kept"]
    assert all(os.stat(file).st_size <= 20_000 for file in files(tmp_path / "s"))
    assert spool.read(tmp_path / "s", None, 999).damages == []

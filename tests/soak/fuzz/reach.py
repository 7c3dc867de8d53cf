"""Which lines a corpus reaches: `python -m tests.soak.fuzz.reach CORPUS` prints them as JSON, {file: [of, missed]}."""

import json
import sys
from collections import defaultdict
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from analytics.ingest import hj212
from analytics.telemetry.hj212 import codes, crc, devices, frames, messages
from tests.soak.fuzz import way
from tests.soak.house import ROOT

#: Modules of the way; of the encoder only the answers are on it.
MODULES = (codes, crc, devices, frames, messages, hj212)


def executable(path: str) -> set[int]:
    """Lines within functions of the module at `path`, all that runs after it was imported."""
    waiting: list[CodeType] = [compile(Path(path).read_text(), path, "exec")]
    found: set[int] = set()
    while waiting:
        code = waiting.pop()
        waiting += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
        if code.co_flags & 0x2:  # a function has variables of its own; bodies of modules and classes have not
            found |= {number for _, _, number in code.co_lines() if number is not None}
            found.discard(code.co_firstlineno)
    return found


def main() -> None:
    """Walks through all inputs."""
    wanted = {str(module.__file__): executable(str(module.__file__)) for module in MODULES}
    seen: dict[str, set[int]] = defaultdict(set)

    def trace(frame: FrameType, _: str, __: Any) -> Any:
        name = frame.f_code.co_filename
        if name not in wanted:
            return None
        seen[name].add(frame.f_lineno)
        return trace

    sys.settrace(trace)
    for path in sorted(Path(sys.argv[1]).iterdir()):
        way.walk(path.read_bytes())
    sys.settrace(None)
    found = {
        str(Path(name).relative_to(ROOT)): [len(lines), sorted(lines - seen[name])] for name, lines in wanted.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()

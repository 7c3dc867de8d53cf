"""Fuzzing guided by what is reached: `python -m tests.soak.fuzz.guided CORPUS [-option=value ...]`, as libFuzzer's.

Runs where `atheris` can be imported. Ends with another exit code than 0 at the first input for which something does
not hold, and writes that beside its corpus (-artifact_prefix).
"""

import importlib
import sys
from typing import Any

#: What is fuzzed, and counted by the edges that are reached.
FUZZED = ("analytics.telemetry.hj212", "analytics.ingest.hj212")


def main() -> None:
    """Runs until its time is over; does not come back."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=list(FUZZED)):
        way: Any = importlib.import_module("tests.soak.fuzz.way")
    atheris.Setup(sys.argv, lambda data: way.walk(data) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

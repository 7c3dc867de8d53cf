"""A gateway of many series, in a process of its own: `python -m tests.soak.sender URL SERIES CADENCE SECONDS EVERY`.

Each series sends once in CADENCE seconds, all of them spread evenly; what a second brings is one POST. Every EVERYth
series says what cannot be, so that each of its readings gets a verdict whose row can be waited for. A JSON object a
POST on stdout: the second of its readings, when it was sent and answered, its rows. Ends with exit code 1 at the first
POST that is not answered 200 with all its rows new.
"""

import json
import sys
import time
from datetime import UTC, datetime

import httpx
import numpy as np

from tests.soak import rows

#: Beyond the range of every parameter.
NONSENSE = 99999.0


def main() -> int:
    """Sends for as long as it was told."""
    url, series, cadence, seconds, every = sys.argv[1], *map(int, sys.argv[2:6])
    names = rows.names(series)
    usual = np.array(list(rows.PARAMETERS.values()))
    rng = np.random.Generator(np.random.PCG64(11))
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        first = int(time.time()) + 2
        for second in range(first, first + seconds):
            time.sleep(max(0.0, second - time.time()))
            mine = [number for number in range(series) if number % cadence == second % cadence]
            if not mine:
                continue
            stamp = datetime.fromtimestamp(second, UTC).isoformat()
            middle, spread = usual[np.array(mine) % len(usual)].T
            values = np.round(np.abs(middle + 0.3 * spread * rng.standard_normal(len(mine))), 1)
            lines = [
                f'{{"station":"{names[number][0]}","channel":"{names[number][1]}","time":"{stamp}",'
                f'"value":{NONSENSE if number % every == 0 else value}}}\n'
                for number, value in zip(mine, values.tolist(), strict=True)
            ]
            sent = time.time()
            answer = client.post(
                f"/observations?cadence={cadence}&source=soak",
                content="".join(lines).encode(),
                headers={"Content-Type": "application/x-ndjson"},
            )
            done = time.time()
            if answer.status_code != 200 or answer.json()["new"] != len(mine):
                print(f"{answer.status_code}: {answer.text[:500]}", file=sys.stderr)
                return 1
            print(json.dumps({"second": second, "sent": sent, "answered": done, "rows": len(mine)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The whole way of a page, and back: rows of a simulated episode and of a hard limit, a real worker, /metrics, a real
Prometheus and Alertmanager, the desk and the incident; an acknowledgement, a recovery with its evidence, a restart that
resolves nothing, and silence. One run of it all: most of it is waiting.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic, time
from typing import Any

import httpx
import pytest

from analytics import incidents
from analytics.store.connection import Connection
from analytics.store.register import read as read_registry
from analytics.synthetic import District
from jobs import chain, console, register, watch
from jobs.incidents.acts import Act, act
from jobs.intake import Intake, Order
from jobs.simulate import files as simulated
from tests.paging.desk import Call, Desk
from tests.paging.loop import FOR, GOOD, MINUTE, PROMISED, Loop, gas, looping, running
from tests.serving import until

pytestmark = pytest.mark.long

#: Of a name that needs care everywhere, and two plain ones.
STATIONS = ('O\'HARE "1"', "GAS-2", "GAS-3")
PARK, DESK = "industrial-park", "/duty/industrial-park"


def rows(conn: Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    return conn.execute(query, list(values)).fetchall()


def ours(*words: object) -> str:
    """What `greenwatch WORDS` says."""
    command = [sys.executable, "-m", "jobs.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lived(conn: Connection, folder: Path, stop: datetime) -> Path:
    """The manifest of a made-up district, whose past is in the store: an episode is under way, and nobody knows."""
    simulated.write(folder, simulated.plan(District(1, stop), stop, days=2, minutes=0))
    register.write(conn, read_registry((folder / "stations.csv").read_bytes(), "stations.csv", *register.rules(conn)))
    Intake(conn, Order(source="synthetic", cadence=600, kind="backfill")).file(folder / "readings-10m.parquet")
    chain.settle(conn, console.now)
    assert rows(conn, "SELECT count(*) > 0 FROM episode WHERE NOT closed") == [(True,)]
    assert watch.run(conn, console.now()) == []  # nothing is live yet
    return folder / "district.toml"


def simulated_delays(loop: Loop, conn: Connection) -> list[float]:
    """Seconds from the first live row of the quantity at the station to the desk, beyond `for`, of each page of the
    simulated episode."""
    loop.told("/duty", "PollutionEpisode", "SYN-", within=150)
    until(lambda: any(alert["state"] == "firing" for alert in loop.alerts("PollutionEpisode")), 60)
    paged = [alert["labels"] for alert in loop.alerts("PollutionEpisode") if alert["state"] == "firing"]
    numbers = [labels["incident"] for labels in paged]
    assert len(set(numbers)) == len(numbers)  # one event is one alert
    assert set(map(int, numbers)) <= {number for (number,) in rows(conn, "SELECT id FROM incident")}
    found = []
    for labels in paged:
        calls = [call for call in loop.desk.calls if call.path.startswith("/duty") and says(call, labels)]
        [(known,)] = rows(
            conn,
            "SELECT min(b.known) FROM station t JOIN series x ON x.station = t.id JOIN observation o ON o.series = x.id"
            " JOIN batch b ON b.id = o.batch WHERE t.code = %s AND x.parameter = %s AND b.kind = 'live'",
            labels["station"],
            labels["parameter"],
        )
        assert known is not None
        found += [call.at + time() - monotonic() - known.timestamp() - FOR for call in calls[:1]]
    assert found
    return found


def says(call: Call, labels: dict[str, str]) -> bool:
    """Whether `call` is about that incident."""
    return f"/v1/incidents/{labels['incident']} " in call.raw.decode()


def hard_delays(loop: Loop, now: datetime) -> list[float]:
    """Seconds from the row that is beyond a hard limit to the desk, beyond `for`, of each station."""
    began = {code: loop.exceed(code, now) for code in STATIONS}
    told = {code: loop.told(DESK, "HardLimit", json.dumps(code)[1:-1]) for code in STATIONS}
    return [call.at - began[code] - FOR for code, call in told.items()]


def hard(loop: Loop, name: str = "HardLimit") -> list[dict[str, Any]]:
    """What Prometheus has on of the alert `name` by the rule of the hard limit."""
    return [alert for alert in loop.alerts(name) if alert["labels"]["rule"] == "h2s_danger"]


def test_from_a_row_to_the_desk_and_back(
    desk: Desk, conn: Connection, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # What fell due in two minutes is sent at once: nobody waits for the next full minute.
    manifest = lived(conn, tmp_path / "district", console.now().replace(second=0, microsecond=0) - 2 * MINUTE)
    gas(conn, dict.fromkeys(STATIONS, PARK))
    with looping(desk, dsn, tmp_path) as loop:
        with running(tmp_path / "worker.log", "worker", "--dsn", dsn):
            until(lambda: rows(conn, "SELECT count(*) FROM work WHERE job = 'watch'") == [(1,)], 60)
            now = console.now().replace(microsecond=0)
            live = ("simulate", "live", "--like", manifest, "--url", loop.at("serve"))
            with running(tmp_path / "live.log", *live):
                delays = {"a hard limit": hard_delays(loop, now), "the simulated episode": simulated_delays(loop, conn)}
            with capsys.disabled():
                for what, some in delays.items():
                    print(
                        f"\npaging: row to desk beyond `for`, {what}: median {median(some):.1f} s, "
                        f"worst {max(some):.1f} s of {len(some)}"
                    )
            for some in delays.values():  # what is promised; the worst of a busy machine is printed
                assert median(some) <= PROMISED
            numbers = told_well(loop, conn)
            answered(loop, conn, numbers, now)
            restarted(loop)
            assert loop.desk.of("/escalation/2") == []
        dead(loop)


def told_well(loop: Loop, conn: Connection) -> dict[str, int]:
    """Incident by station: one message says who, where, what, since when, on what evidence; each incident knows that it
    was delivered."""
    numbers = dict(
        rows(
            conn,
            "SELECT t.code, i.id FROM incident i JOIN term r ON r.id = i.rule JOIN subject s ON s.id = i.subject"
            " LEFT JOIN series x ON x.id = s.series JOIN station t ON t.id = coalesce(s.station, x.station)"
            " WHERE r.name = 'h2s_danger' AND i.tier = 0",
        )
    )
    assert set(numbers) == set(STATIONS)
    said = loop.told(DESK, "GAS-2").raw.decode()
    for word in ("PAGE", PARK, "h2s", "since", f"/v1/incidents/{numbers['GAS-2']}", "/d/greenwatch-station", "读数"):
        assert word in said, word
    query = "SELECT count(*) FROM incident WHERE delivered IS NULL AND id = ANY(%s)"
    until(lambda: rows(conn, query, list(numbers.values())) == [(0,)], 60)
    until(lambda: rows(conn, "SELECT count(*) > 3 FROM incident WHERE delivered IS NOT NULL") == [(True,)], 60)
    well = f"{loop.at('serve')}/healthz"
    until(lambda: httpx.get(well, trust_env=False).json()["watchdog"] is not None, 60)
    return numbers


def answered(loop: Loop, conn: Connection, numbers: dict[str, int], now: datetime) -> None:
    """One incident nobody acknowledges in time, then somebody does; another ends, on the evidence of good readings."""
    slow, quick = numbers["GAS-2"], numbers["GAS-3"]
    conn.execute("UPDATE incident SET since = since - interval '11 minutes' WHERE id = %s", [slow])
    act(conn, quick, Act("acknowledge", "Li", incidents.ADMIN, "seen"), console.now())
    loop.post("GAS-3", {now - n * MINUTE: GOOD for n in (4, 3, 2, 1, 0)})
    loop.told("/escalation/1", "IncidentUnacknowledged", f"incidents acknowledge {slow}")
    assert loop.desk.of("/escalation/2") == []
    ours("incidents", "acknowledge", slow, "--author", "Wang", "--dsn", loop.dsn)
    loop.told(DESK, "RESOLVED", "GAS-3")
    until(lambda: not loop.alerts("IncidentUnacknowledged"), 60)
    # it would be the turn of the next, had nobody acknowledged
    conn.execute("UPDATE incident SET since = since - interval '30 minutes' WHERE id = %s", [slow])
    [(recovered, evidence)] = rows(
        conn,
        "SELECT i.recovered IS NOT NULL, l.evidence FROM incident i JOIN incident_log l ON l.incident = i.id"
        " WHERE i.id = %s AND l.action = 'recovered'",
        quick,
    )
    assert recovered
    assert evidence
    assert {alert["labels"]["station"] for alert in hard(loop)} == set(STATIONS) - {"GAS-3"}


def restarted(loop: Loop) -> None:
    """A restart resolves nothing."""
    begun = datetime.now(UTC)
    loop.stop("serve")
    until(lambda: not hard(loop, "Naive"), 60)
    loop.start("serve")
    until(lambda: len(hard(loop, "Naive")) == 2, 60)
    still = hard(loop)
    assert len(still) == 2
    assert {alert["state"] for alert in still} == {"firing"}
    assert all(datetime.fromisoformat(alert["activeAt"]) < begun for alert in still)
    over = "".join(call.raw.decode() for call in loop.desk.of(DESK) if b"RESOLVED" in call.raw)
    ended = [f"RESOLVED】HardLimit h2s_danger · {PARK} {code}" in over for code in ("GAS-3", "GAS-2", "O'HARE")]
    assert ended == [True, False, False]


def dead(loop: Loop) -> None:
    """Alertmanager is gone, and nothing else could say so; then it is back."""
    until(lambda: len(loop.desk.of("/dead")) % 2 == 0, 60)  # whatever a busy machine made of the start
    before = len(loop.desk.of("/dead"))
    loop.stop("alertmanager")
    until(lambda: len(loop.desk.of("/dead")) > before, 90)
    silent = loop.desk.of("/dead")[before].body
    assert (silent["type"], silent["data"]["silent_seconds"] >= 1) == ("deadman.silent", True)
    loop.start("alertmanager")
    until(lambda: len(loop.desk.of("/dead")) > before + 1, 90)
    assert loop.desk.of("/dead")[before + 1].body["type"] == "deadman.heard"

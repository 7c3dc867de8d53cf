"""Devices of a register file: what is asked of them, what is written, and that no password is ever shown or kept."""

from pathlib import Path

import pytest

from analytics.store import devices, register
from analytics.store.connection import Connection
from analytics.store.errors import Nonsense
from analytics.store.register import Registry, Secrets
from analytics.telemetry.hj212.devices import Device, fits, keyed
from analytics.telemetry.hj212.frames import Bend
from jobs import register as job
from tests.commands.terminal import NOT_AS_ASKED, greenwatch
from tests.register.drafts import PARAMETERS, STANDARDS, station

PEPPER = b"a pepper of tests"
SECRETS = Secrets(PEPPER, {"HERE": "654321", "ODD": "12;3"})
FIRST = ['[[device]]\nmn = "M1"', 'station = "A"', 'password = "123456"']


def device(*lines: str) -> str:
    return "\n".join([*lines, ""])


def put(conn: Connection, text: str, secrets: Secrets = SECRETS) -> register.Plan:
    draft = register.read(text.encode(), "site.toml", PARAMETERS, STANDARDS, secrets=secrets)
    return job.write(conn, draft)[0]


def refused(text: str, secrets: Secrets = SECRETS, stored: Registry | None = None) -> list[str]:
    draft = register.read(text.encode(), "site.toml", PARAMETERS, STANDARDS, secrets=secrets)
    with pytest.raises(Nonsense) as found:
        register.compare(stored or Registry(), draft)
    return str(found.value).splitlines()[1:]


def test_a_device_is_there_as_the_file_says_and_only_its_keyed_hash(conn: Connection) -> None:
    more = (
        "edition = 2025",
        'utc_offset = "+09:00"',
        'bends = ["swapped_crc"]',
        "sentinels = [-1, 9999.0]",
        'cadences = { 2051 = "15m", 2061 = "4h" }',
        'units = { A34004 = "ng/m3" }',
        'channels = { x00001 = "Soil_Moisture@-0.1", ys1 = "" }',
    )
    plan = put(conn, station() + device(*FIRST, *more))
    assert plan.count("device") == (1, 0, 0)
    assert devices.load(conn) == {
        "M1": Device(
            "M1",
            "A",
            keyed(PEPPER, "M1", "123456"),
            2025,
            540,
            {"2051": 900, "2061": 14_400},
            {"a34004": "ng/m3"},
            {"x00001": "soil_moisture@-0.1", "ys1": ""},
            (-1.0, 9999.0),
            frozenset({Bend.swapped_crc}),
        )
    }
    [row] = conn.execute("SELECT d::text FROM device d").fetchall()
    assert "123456" not in str(row[0])
    assert devices.load(conn, ["M2"]) == {}


def test_a_file_changes_what_it_names_and_says_so_without_the_password(conn: Connection) -> None:
    put(conn, station() + device(*FIRST, "edition = 2025"))
    state = devices.state(conn)
    assert not put(conn, device(*FIRST)).changes
    assert devices.state(conn) == state
    [change] = put(conn, device('[[device]]\nmn = "M1"', 'password_env = "HERE"', "sentinels = [-1]")).changes
    assert change.fields == (("sentinels", "[]", "[-1.0]"), ("password", "as it was", "another"))
    assert devices.state(conn) != state
    found = devices.load(conn)["M1"]
    assert (found.station, found.edition) == ("A", 2025)
    assert fits(found, PEPPER, "654321")
    assert not fits(found, PEPPER, "123456")


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        (['[[device]]\nmn = "M1"', 'station = "A"'], 4, "device 'M1' is new and lacks password"),
        (['[[device]]\nstation = "A"'], 4, "'mn' is missing"),
        ([FIRST[0], 'station = "AA"', FIRST[2]], 6, "device names station 'AA', neither registered nor in this file"),
        ([*FIRST[:2], 'password = "12;3"'], 7, "password holds one of ; , & = and could not be sent in a message"),
        (
            [*FIRST[:2], "password = 123456"],
            7,
            "password must be text of 1 to 64 characters, none of them a blank at an end",
        ),
        ([*FIRST[:2], 'password_env = "NONE"'], 7, "password_env names 'NONE', which is not set in the environment"),
        (
            [*FIRST[:2], 'password_env = "ODD"'],
            7,
            "the password in 'ODD' holds one of ; , & = and could not be sent in a message",
        ),
        ([*FIRST, 'password_env = "HERE"'], 8, "password and password_env: one of them is enough"),
        (
            [*FIRST, 'bends = ["lower_case_crc"]'],
            8,
            "bends cannot be ['lower_case_crc']: it is a list of modbus_crc, swapped_crc",
        ),
        ([*FIRST, "edition = 2020"], 8, "edition cannot be 2020: write 2005, 2017, 2025"),
        ([*FIRST, 'cadences = { 2052 = "1m" }'], 8, "unknown key '2052': did you mean '2051'?"),
        ([*FIRST, 'units = { a34004 = "dB" }'], 8, "a34004 [dB] cannot be pm25: no conversion from dB to µg/m³"),
        ([*FIRST, 'units = "ng/m3"'], 8, 'units must be a table: write units = { code = "..." }'),
        ([*FIRST, *FIRST], 8, "device 'M1' stands at line 4 already"),
        ([*FIRST, "sentinels = [true, 'x']"], 8, "sentinels must be numbers, as [-1, 9999], not [True, 'x']"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(lines: list[str], line: int, reason: str) -> None:
    found = refused(station('title = "A"') + device(*lines))
    assert any(one.startswith(f"site.toml:{line}: {reason}") for one in found), found
    assert not any("12;3" in one or "123456" in one for one in found)


def test_a_channel_must_be_one_of_ours() -> None:
    [found] = refused(station() + device(*FIRST, 'channels = { x1 = "unicorns" }'))
    assert "x1 'unicorns' is unknown" in found


def test_without_a_pepper_no_password_is_taken(
    tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch, conn: Connection
) -> None:
    file = tmp_path / "site.toml"
    file.write_text(station() + device(*FIRST))
    monkeypatch.delenv("GREENWATCH_PEPPER", raising=False)
    done = greenwatch("register", file, "--dsn", dsn)
    assert done.code == NOT_AS_ASKED
    assert "a password needs GREENWATCH_PEPPER" in done.err
    monkeypatch.setenv("GREENWATCH_PEPPER", "short")
    assert "GREENWATCH_PEPPER is shorter than 16 characters" in greenwatch("register", file, "--dsn", dsn).err
    monkeypatch.setenv("GREENWATCH_PEPPER", PEPPER.decode())
    done = greenwatch("register", file, "--dsn", dsn)
    assert "password set" in done.out
    assert "123456" not in done.out + done.err
    assert fits(devices.load(conn)["M1"], PEPPER, "123456")


def test_a_listener_s_role_reads_devices_and_a_dashboard_s_does_not(conn: Connection) -> None:
    rights = conn.execute(
        """
        SELECT r, has_table_privilege(r, 'device', 'SELECT'), has_table_privilege(r, 'device', 'DELETE')
        FROM unnest(ARRAY['greenwatch_writer', 'greenwatch_reader', 'greenwatch_duty', 'greenwatch_admin']) AS r
        """
    ).fetchall()
    assert rights == [
        ("greenwatch_writer", True, False),
        ("greenwatch_reader", False, False),
        ("greenwatch_duty", False, False),
        ("greenwatch_admin", True, True),
    ]

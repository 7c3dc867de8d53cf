"""What `greenwatch up` runs beside the server and the worker: a listener, a subscriber, where they have work."""

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from analytics.store.connection import Connection
from jobs import beside, pepper, serve
from jobs.console import NotAsAsked
from tests.commands.terminal import fails
from tests.mqtt.broker import Mosquitto, broker
from tests.tools import free_ports
from tests.worker.clock import until
from tests.worker.processes import DEVICE, NODE, PEPPER, children, enrol, gone, running

TOPIC = "chirpstack:application/+/device/+/event/up"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither pepper nor broker unless a test says so."""
    for name in (pepper.NAME, beside.URL, beside.TOPICS):
        monkeypatch.delenv(name, raising=False)


def test_where_nothing_is_registered_nothing_is_started_or_missed(
    dsn: str, conn: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    assert beside.doors(dsn, beside.Devices(), beside.Broker()) == []
    assert capsys.readouterr().err == ""
    enrol(conn, DEVICE + NODE)
    assert beside.doors(dsn, None, None) == []
    assert capsys.readouterr().err == ""


def test_what_is_missing_is_said_in_both_languages(
    dsn: str, conn: Connection, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(conn, DEVICE + NODE)
    assert beside.doors(dsn, beside.Devices(), beside.Broker(url="mqtt://127.0.0.1")) == []
    devices, zh_devices, nodes, zh_nodes = capsys.readouterr().err.splitlines()
    assert "1 devices are registered" in devices
    assert f"{pepper.NAME} is not set" in devices
    assert pepper.NAME in zh_devices
    assert "请设置" in zh_devices
    assert "--mqtt-topic" in nodes
    assert "--mqtt-url" not in nodes
    assert "未订阅" in zh_nodes
    monkeypatch.setenv(pepper.NAME, "short")
    assert beside.doors(dsn, beside.Devices(), beside.Broker()) == []
    err = capsys.readouterr().err
    assert "shorter than 16 characters" in err
    assert "--mqtt-url (GREENWATCH_MQTT_URL) and --mqtt-topic (GREENWATCH_MQTT_TOPICS) is missing" in err


def test_a_port_that_is_taken_is_named_with_its_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pepper.NAME, PEPPER)
    with closing(serve.listen("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for devices, option in (
            (beside.Devices(port=port, metrics=0), "--listen-port"),
            (beside.Devices(port=0, metrics=port), "--listen-metrics-port"),
        ):
            with pytest.raises(NotAsAsked, match=f"used by another program; choose another by {option}$"):
                devices.door(1)
        with pytest.raises(NotAsAsked, match=r"--mqtt-metrics-port$"):
            beside.Broker("mqtt://127.0.0.1", [TOPIC], port).door(1)


def test_what_no_broker_is_is_refused_before_anything_is_started() -> None:
    assert "--url is mqtt://HOST:PORT" in fails("up", "--mqtt-url", "http://broker")
    assert "write FORMAT:TOPIC" in fails("up", "--mqtt-topic", "nothing")


def figure(port: int, name: str) -> float:
    """What /metrics at `port` says of `name`."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker."""
    with broker(tmp_path / "broker") as opened:
        yield opened


@pytest.mark.long
def test_up_listens_and_subscribes_and_ends_all(
    dsn: str, conn: Connection, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    enrol(conn, DEVICE + NODE)
    line, line_figures, broker_figures = map(int, free_ports(3))
    words = ["--port", 0, "--listen-port", line, "--listen-metrics-port", line_figures]
    words += ["--mqtt-url", mosquitto.url, "--mqtt-metrics-port", broker_figures, "--dsn", dsn]
    environ = {pepper.NAME: PEPPER, beside.TOPICS: f"{TOPIC} plain:up/<station>", "GREENWATCH_HOME": str(tmp_path)}
    with running("up", *words, **environ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        assert said[0].startswith("greenwatch is up: http://127.0.0.1:")
        assert said[1].startswith(f"listening to 1 HJ 212 devices 正在监听设备: 127.0.0.1:{line} ")
        assert said[2].startswith(f"subscribing for 1 nodes 正在订阅: {mosquitto.url} ")
        assert (tmp_path / "spool" / "hj212").is_dir()
        with socket.create_connection(("127.0.0.1", line), 5):
            until(lambda: figure(line_figures, "greenwatch_listen_connections") == 1, 20)
        until(lambda: figure(broker_figures, "greenwatch_mqtt_connected") == 1, 20)
        all_of_them = children(process.pid)
        assert set(all_of_them) == {"serve", "worker", "listen", "mqtt"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert all(map(gone, all_of_them.values()))
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()

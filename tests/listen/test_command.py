"""`greenwatch listen` as people call it: what it refuses, each in a line."""

import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from analytics.spool import Spool
from jobs import serve
from tests.commands.terminal import fails, greenwatch
from tests.listen.line import PEPPER


@pytest.fixture(autouse=True)
def _pepper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GREENWATCH_PEPPER", PEPPER.decode())
    monkeypatch.setenv("GREENWATCH_HOME", str(tmp_path))


def test_without_a_pepper_nobody_could_be_known(monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    monkeypatch.delenv("GREENWATCH_PEPPER")
    assert "GREENWATCH_PEPPER is not set" in fails("listen", "--dsn", dsn)
    monkeypatch.setenv("GREENWATCH_PEPPER", "123456")
    assert "shorter than 16 characters" in fails("listen", "--dsn", dsn)


def test_a_certificate_must_be_one(dsn: str, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    assert "--tls-cert" in fails("listen", "--dsn", dsn, "--tls-cert", nothing)
    assert "--tls-key without --tls-cert" in fails("listen", "--dsn", dsn, "--tls-key", nothing)


def test_a_port_and_a_spool_have_one_listener(dsn: str, tmp_path: Path) -> None:
    with closing(serve.listen("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "is used by another program" in fails("listen", "--dsn", dsn, "--port", port)
    with closing(Spool(tmp_path / "spool" / "hj212")):
        assert "one listener a machine" in fails("listen", "--dsn", dsn, "--port", 0)


def test_a_database_without_tables_is_told(blank: str) -> None:
    assert "greenwatch migrate" in fails("listen", "--dsn", blank)


def test_the_made_up_district_has_a_device_a_station() -> None:
    found = tomllib.loads(greenwatch("simulate", "devices", "--password", "654321").out)["device"]
    assert len(found) == 40
    assert {one["mn"] == one["station"] for one in found} == {True}
    assert {one["password"] for one in found} == {"654321"}
    assert found[0]["units"]["a34004"] == "µg/m³"


@pytest.mark.parametrize("url", ["hj212://nowhere", "hj212://:9212", "hj212://127.0.0.1:port"])
def test_a_listener_s_address_has_a_host_and_a_port(url: str) -> None:
    assert "hj212://127.0.0.1:9212" in fails("simulate", "live", "--url", url)

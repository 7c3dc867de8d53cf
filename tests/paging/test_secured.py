"""/metrics over TLS and with a token: a real Prometheus that has both, and whoever has not."""

import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from analytics.metrics import Broker
from jobs import console, scraped
from jobs.web.site import LOOPBACK, Settings
from tests import tools
from tests.paging.desk import certificate
from tests.serving import serving, until

TOKEN = "for /metrics only"
OURS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    return certificate(tmp_path_factory.mktemp("tls"))


@contextmanager
def scraping(folder: Path, **job: object) -> Iterator[str]:
    """A Prometheus that scrapes `job`."""
    [port] = tools.free_ports(1)
    here = f"127.0.0.1:{port}"
    hurry = {"scrape_interval": "1s", "scrape_timeout": "900ms"}
    config = {"global": hurry, "scrape_configs": [{"job_name": "greenwatch", **job}]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [tools.prometheus_tools().prometheus, f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={here}"]
    with tools.served(command, f"http://{here}/-/ready", folder / "log"):
        yield f"http://{here}"


def up(home: str) -> tuple[str, str]:
    """Whether its target is up, and what is wrong."""
    answer = httpx.get(f"{home}/api/v1/targets", timeout=5, trust_env=False).json()
    found = [(target["health"], target["lastError"]) for target in answer["data"]["activeTargets"]]
    return found[0] if found else ("unknown", "")  # it has not begun


def test_a_real_prometheus_scrapes_over_tls_with_a_token_in_a_file(
    dsn: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    cert, key = files
    [port] = tools.free_ports(1)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "old").write_text("nonsense\n")
    words = ["serve", "--port", port, "--dsn", dsn, "--tls-cert", cert, "--tls-key", key, "--no-spool"]
    environ = {"GREENWATCH_METRICS_TOKEN": TOKEN, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "jobs.cli", *map(str, words)]
    with (tmp_path / "greenwatch").open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=environ)
    try:
        target = {"scheme": "https", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        known = {"tls_config": {"ca_file": str(cert)}, "authorization": {"credentials_file": str(tmp_path / "token")}}
        with scraping(tmp_path, **target, **known) as home:
            until(lambda: up(home)[0] == "up", 60)
            asked = {"query": "greenwatch_snapshot_timestamp_seconds"}
            until(lambda: bool(httpx.get(f"{home}/api/v1/query", params=asked).json()["data"]["result"]), 30)
            # its configuration is read again with a token that is none
            config = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
            config["scrape_configs"][0]["authorization"]["credentials_file"] = str(tmp_path / "old")
        (tmp_path / "second").mkdir()
        config["scrape_configs"][0].pop("job_name")
        with scraping(tmp_path / "second", **config["scrape_configs"][0]) as home:
            until(lambda: "401" in up(home)[1], 60)
        assert TOKEN not in (tmp_path / "greenwatch").read_text()
    finally:
        process.terminate()
        process.wait(60)


def test_the_token_of_metrics_opens_nothing_else(dsn: str) -> None:
    with serving(Settings(dsn, "the token", LOOPBACK, metrics=TOKEN)) as client:
        assert client.get("/metrics").status_code == 401
        assert "GREENWATCH_METRICS_TOKEN" in client.get("/metrics").text
        assert client.get("/metrics", headers=OURS).status_code == 200
        assert client.get("/metrics", headers={"Authorization": "Bearer the token"}).status_code == 200
        assert client.get("/metrics", auth=("anybody", TOKEN)).status_code == 200
        assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
        for path in ("/", "/v1/observations", "/openapi.json/../v1/stations"):
            assert client.get(path, headers=OURS).status_code == 401, path
        assert client.post("/observations", headers=OURS).status_code == 401
        assert client.post("/metrics", headers=OURS).status_code in (401, 405)
        assert client.get("/healthz").status_code == 200


def test_without_a_token_of_the_server_only_metrics_asks_for_its_own(dsn: str) -> None:
    with serving(Settings(dsn, metrics=TOKEN)) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers=OURS).status_code == 200
        assert client.get("/").status_code == 200


def test_a_page_beside_is_served_the_same_way(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cert, key = files
    monkeypatch.setenv("GREENWATCH_METRICS_TOKEN", TOKEN)
    monkeypatch.setenv("GREENWATCH_TOKEN", "the token")
    [port] = tools.free_ports(1)
    with (
        scraped.served(Broker("1"), port, cert=cert, key=key),
        httpx.Client(
            base_url=f"https://127.0.0.1:{port}", verify=ssl.create_default_context(cafile=str(cert))
        ) as client,
    ):
        until(lambda: client.get("/healthz").is_success)
        refused = client.get("/metrics")
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="greenwatch"')
        for token in (TOKEN, "the token"):
            answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
            assert "greenwatch_mqtt_connected" in answer.text
    said = capsys.readouterr().err
    assert f"https://127.0.0.1:{port}/metrics" in said
    assert TOKEN not in said


def test_a_page_beside_that_others_reach_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GREENWATCH_METRICS_TOKEN", "GREENWATCH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(console.NotAsAsked, match="GREENWATCH_METRICS_TOKEN"), scraped.served(Broker("1"), 0, "0.0.0.0"):
        pass


def test_files_that_are_no_certificate_are_named(tmp_path: Path, files: tuple[Path, Path]) -> None:
    (tmp_path / "empty.pem").write_text("")
    with (
        pytest.raises(console.NotAsAsked, match=r"--metrics-cert .*empty\.pem"),
        scraped.served(Broker("1"), 0, cert=tmp_path / "empty.pem"),
    ):
        pass
    with pytest.raises(console.NotAsAsked, match="--metrics-key"), scraped.served(Broker("1"), 0, key=files[1]):
        pass

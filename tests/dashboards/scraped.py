"""A real Prometheus that has scraped what greenwatch tells, itself, and a real Alertmanager."""

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from jobs.scraped import Page
from tests import tools
from tests.panels import FOLDER
from tests.serving import until

_QUICK = {"scrape_interval": "1s", "scrape_timeout": "900ms", "evaluation_interval": "1s"}
_NOBODY = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
#: A group of rules that has something to say of itself.
_RULES = {"groups": [{"name": "some", "rules": [{"record": "some:up:sum", "expr": "sum(up)"}]}]}


@contextmanager
def prometheus(folder: Path, pages: Mapping[str, Page], rules: Path | None = None) -> Iterator[str]:
    """The address of a Prometheus that has scraped each job of `pages`, itself, and an Alertmanager, three times."""
    port, pager, programs = *tools.free_ports(2), tools.prometheus_tools()
    home = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        targets = {job: stack.enter_context(_served(page)) for job, page in pages.items()}
        targets |= {"prometheus": port, "alertmanager": pager}
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
        config["global"], config["rule_files"] = _QUICK, [str(rules or _written(folder / "some.yml", _RULES))]
        config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{pager}"]}]
        config["scrape_configs"] = [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{at}"]}]} for job, at in targets.items()
        ]
        command = [programs.alertmanager, f"--config.file={_written(folder / 'alertmanager.yml', _NOBODY)}"]
        command += [f"--storage.path={folder / 'pager'}", f"--web.listen-address=127.0.0.1:{pager}"]
        command += ["--cluster.listen-address="]
        stack.enter_context(tools.served(command, f"http://127.0.0.1:{pager}/-/ready", folder / "pager.log"))
        command = [programs.prometheus, f"--config.file={_written(folder / 'prometheus.yml', config)}"]
        command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
        stack.enter_context(tools.served(command, f"{home}/-/ready", folder / "log"))
        until(lambda: len(ask(home, "count_over_time(up[1m]) > 2")) == len(targets), 60)
        yield home


def ask(home: str, expression: str) -> list[dict[str, Any]]:
    """Samples of `expression` now."""
    answer = told(home, "query", query=expression)
    return list(answer["result"])


def told(home: str, what: str, **asked: str) -> dict[str, Any]:
    """What the API of Prometheus says of `what`."""
    # A client of its own for each question would read the certificates of the world each time.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{home}/api/v1/{what}?{urllib.parse.urlencode(asked)}", timeout=20) as answer:
            return dict(json.load(answer)["data"])
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{asked}: {error.read().decode()}") from None


def _written(path: Path, content: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@contextmanager
def _served(page: Page) -> Iterator[int]:
    """The port at which `page` is served."""

    class Scraped(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content, heads = page.answer(self.headers.get("Accept", ""))
            self.send_response(200)
            for name, value in heads.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Scraped) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()

"""The audit of what we stand on finds what there is to find, and never calls unknown what is none."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests import audit
from tests.audit import Pin

LOCK = """
# a comment
good==1.0 \\
    --hash=sha256:{0} \\
    --hash=sha256:{0}
marked==2.0.post1 ; sys_platform == 'win32' \\
    --hash=sha256:{0}
bare==3.0
""".format("a" * 64)


@contextmanager
def osv(answer: Any, status: int = 200, kind: str = "application/json") -> Iterator[tuple[str, list[Any]]]:
    """An OSV that answers so; its address, and what it was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/querybatch", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_pins_are_read_as_they_are_written() -> None:
    assert audit.pins(LOCK) == [
        Pin("good", "1.0", 2, ours=True),
        Pin("marked", "2.0.post1", 1, ours=False),
        Pin("bare", "3.0", 0, ours=True),
    ]
    with pytest.raises(ValueError, match="not pinned: loose>=1"):
        audit.pins("loose>=1\n")


def test_the_lock_itself_is_sound() -> None:
    found = audit.pins((audit.REPOSITORY / "requirements.lock").read_text(encoding="utf-8"))
    assert len(found) > 50
    assert audit.here(found) == []


def test_what_is_wrong_here_is_said() -> None:
    other, hashless = Pin("httpx", "0.0.1", 1, ours=True), Pin("never-there", "1", 0, ours=True)
    [version] = audit.here([other])
    assert "is in the lock" in version
    assert [line.partition(": ")[2] for line in audit.here([hashless])] == [
        "no hash, anybody's file would do",
        "not installed, run `make setup`",
    ]


@pytest.mark.parametrize(
    ("facts", "problems"),
    [
        ({"License-Expression": ["MIT"]}, 0),
        ({"Classifier": ["License :: OSI Approved :: BSD License"]}, 0),
        ({"License": ["Apache 2.0"]}, 0),
        ({}, 1),
        ({"License-Expression": ["LicenseRef-Proprietary"]}, 1),
        ({"License-Expression": ["MIT"], "Classifier": ["Development Status :: 7 - Inactive"]}, 1),
    ],
)
def test_what_a_library_says_of_itself(facts: dict[str, list[str]], problems: int) -> None:
    said = Message()
    for name, values in facts.items():
        for value in values:
            said[name] = value
    assert len(audit.said_of_itself(said)) == problems


def test_a_withdrawn_one_is_found_in_what_pip_said() -> None:
    line = "WARNING: The candidate selected for download or install is a yanked version: 'x' candidate (version 1)"
    assert audit.withdrawn(f"WARNING: else\n  {line}\n") == [line]


def test_advisories_fail_it_and_accepted_ones_do_until_their_day(monkeypatch: pytest.MonkeyPatch) -> None:
    pins = audit.pins(LOCK)
    said = {"results": [{}, {"vulns": [{"id": "GHSA-1", "modified": "x"}, {"id": "PYSEC-2"}]}, {}]}
    with osv(said) as (address, asked):
        found = audit.advisories(pins, address)
    assert found == {pins[1]: ["GHSA-1", "PYSEC-2"]}
    assert asked[0]["queries"][1] == {"package": {"name": "marked", "ecosystem": "PyPI"}, "version": "2.0.post1"}
    monkeypatch.setattr(audit, "ACCEPTED", {"GHSA-1": ("only on Windows", date(2026, 6, 1))})
    assert len(audit.concerning(found, date(2026, 6, 1))) == 1
    assert len(audit.concerning(found, date(2026, 6, 2))) == 2


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        ({"results": []}, 200, "application/json"),
        ({}, 200, "application/json"),
        ({"code": 5}, 404, "application/json"),
        ({"results": []}, 200, "text/html"),
        ({}, 500, "application/json"),
    ],
)
def test_what_cannot_be_known_is_never_called_none(
    capsys: pytest.CaptureFixture[str], answer: Any, status: int, kind: str
) -> None:
    with osv(answer, status, kind) as (address, _):
        assert audit.main(address) == 0
        assert "NOT KNOWN" in capsys.readouterr().out
        assert audit.main(address, strict=True) == 1


def test_all_is_well_where_osv_says_so_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    found = audit.pins((audit.REPOSITORY / "requirements.lock").read_text(encoding="utf-8"))
    with osv({"results": [{} for _ in found]}) as (address, _):
        assert audit.main(address, strict=True) == 0
    assert "OSV was asked" in capsys.readouterr().out

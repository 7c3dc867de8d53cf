"""Work orders out: signed, until somebody has them, by one at a time, and nothing of a secret in what is kept."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event

import pytest

from analytics import incidents
from analytics.store import connection
from analytics.store.connection import Connection
from analytics.store.incidents import orders as store
from jobs import console
from jobs.incidents import orders, sending, signing
from jobs.incidents.acts import Act, act
from jobs.incidents.orders import Deliverer
from jobs.incidents.sending import Answer, Target
from tests.incidents.conftest import SECRET
from tests.incidents.telling import T0, district, event, field, opened, tell, told
from tests.serving import until

KEY = signing.secret(SECRET) or b""
Got = list[tuple[dict[str, str], bytes]]


@contextmanager
def desk(*statuses: int) -> Iterator[tuple[Target, Got]]:
    """A work-order system that answers with `statuses`, the last one for ever; and what it got."""
    got: Got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = statuses[min(len(got), len(statuses)) - 1]
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Target(f"http://user:hunter2@127.0.0.1:{server.server_port}/orders", KEY), got
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def dispatched(conn: Connection, subject: int) -> int:
    number = opened(conn, subject)
    for action in ("acknowledge", "dispatch"):
        act(conn, number, Act(action, "Wang", incidents.DUTY, note="sprinkle"), T0)
    return number


def row(conn: Connection, incident: int) -> tuple[object, ...]:
    found = conn.execute("SELECT state, tries, problem FROM work_order WHERE incident = %s", [incident]).fetchone()
    assert found is not None
    return found


@contextmanager
def delivering(dsn: str, target: Target) -> Iterator[None]:
    """A worker's thread that sends what waits."""
    stopping = Event()
    thread = Deliverer("orders", dsn, stopping, target)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        assert thread.join(30)


def test_an_order_is_sent_signed_and_noted(dsn: str, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "PAUSE", 0.05)
    number = dispatched(conn, district(conn)["A"])
    with desk(204) as (target, got), delivering(dsn, target):
        until(lambda: row(conn, number)[0] == "sent")
    [(headers, body)] = got
    assert signing.wrong(KEY, headers, body, console.now().timestamp()) == ""
    said = json.loads(body)
    assert (said["type"], said["data"]["incident"], said["data"]["street"]) == ("work_order.created", number, "Road A")
    assert (said["data"]["order"], said["data"]["note"]) == (headers["webhook-id"], "sprinkle")
    assert told(conn, number)[-2:] == [("Wang", "dispatched"), ("work orders", "order sent")]


def test_it_is_tried_again_later_and_later_and_then_given_up(conn: Connection) -> None:
    number = dispatched(conn, district(conn)["A"])
    now, waits = T0 + timedelta(seconds=1), []

    def clock() -> object:
        return now

    with desk(500) as (target, got):
        sender = Deliverer("orders", "", Event(), target, clock=clock)  # type: ignore[arg-type]  # a clock
        while (order := store.claim(conn, now, sending.LEASE)) is not None:
            sender.deliver(conn, order)
            assert store.claim(conn, now, sending.LEASE) is None
            [(due,)] = conn.execute("SELECT due FROM work_order").fetchall()
            waits.append((due - now).total_seconds())  # type: ignore[operator]  # times
            now = due if row(conn, number)[0] == "waiting" else now + timedelta(days=2)  # type: ignore[assignment]
    assert waits[:-1] == list(orders.PAUSES)
    assert {headers["webhook-id"] for headers, _ in got} == {got[0][0]["webhook-id"]}  # the same one each time
    assert row(conn, number) == ("failed", len(orders.PAUSES) + 1, "answered 500")
    assert told(conn, number)[-1] == ("work orders", "order failed")


@pytest.mark.parametrize(
    ("status", "state", "problem"),
    [(410, "failed", "answered 410"), (302, "waiting", "answered 302"), (404, "waiting", "answered 404")],
)
def test_what_is_no_yes_is_a_no(conn: Connection, status: int, state: str, problem: str) -> None:
    number = dispatched(conn, district(conn)["A"])
    with desk(status) as (target, got):
        order = store.claim(conn, console.now(), sending.LEASE)
        assert order is not None
        Deliverer("orders", "", Event(), target).deliver(conn, order)
        assert len(got) == 1
    assert row(conn, number) == (state, 1, problem)


def test_a_desk_that_sends_a_letter_now_and_then_holds_nobody() -> None:
    """Each letter is in time, the answer never is: others wait behind it, and another worker would send it, too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = Event()

        def drip() -> None:
            taken, _ = listener.accept()
            with taken, suppress(OSError):
                for letter in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100:
                    taken.sendall(bytes([letter]))
                    if ended.wait(0.05):
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert sending.post(url, b"{}", {}, 1.0) == Answer("no answer: TimeoutError")
        ended.set()
        thread.join(10)
    assert sending.LEASE.total_seconds() >= 2 * sending.PATIENCE


def test_nobody_is_there_and_nothing_is_told_of_the_secret(
    conn: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    number = dispatched(conn, district(conn)["A"])
    order = store.claim(conn, console.now(), sending.LEASE)
    assert order is not None
    target = Target("http://user:hunter2@127.0.0.1:9/hidden-path", KEY)
    Deliverer("orders", "", Event(), target).deliver(conn, order)
    assert row(conn, number) == ("waiting", 1, "no answer: ConnectError")
    out = "".join(capsys.readouterr()) + repr(target) + repr(order)
    assert "hunter2" not in out
    assert "hidden-path" not in out


def test_one_at_a_time_sends_an_order_and_a_crash_sends_it_again(dsn: str, conn: Connection) -> None:
    dispatched(conn, district(conn)["A"])
    now = console.now()
    with closing(connection.connect(dsn)) as other:
        first = store.claim(conn, now, sending.LEASE)
        assert first is not None
        assert store.claim(other, now, sending.LEASE) is None
        # Killed between the sending and the noting: somebody else sends it again, under the same id.
        again = store.claim(other, now + sending.LEASE, sending.LEASE)
        assert again is not None
        assert (again.id, again.tries) == (first.id, 2)
        store.sent(other, again, now)
        store.failed(conn, first, now, "late", None)  # the first one was only slow: nothing is undone
        assert store.claim(conn, now + timedelta(days=1), sending.LEASE) is None
    assert conn.execute("SELECT state FROM work_order").fetchall() == [("sent",)]


@pytest.mark.parametrize("note", ["sent", "failed"])
def test_an_answer_that_comes_while_it_is_noted_waits_its_turn(dsn: str, conn: Connection, note: str) -> None:
    """Neither waits for the other for ever, which would lose one of them."""
    number = dispatched(conn, district(conn)["A"])
    order = store.claim(conn, console.now(), sending.LEASE)
    assert order is not None
    with closing(connection.connect(dsn)) as noting, closing(connection.connect(dsn)) as answering:
        threads = []
        with answering.transaction():
            answering.execute("SELECT FROM incident WHERE id = %s FOR UPDATE", [number])
            done = {
                "sent": lambda: store.sent(noting, order, T0),
                "failed": lambda: store.failed(noting, order, T0, "late", None),
            }[note]
            threads.append(threading.Thread(target=done))
            threads[0].start()
            waits = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
            until(lambda: conn.execute(waits, [noting.info.backend_pid]).fetchone() is not None)
            answering.execute("SET LOCAL lock_timeout = '5s'")
            assert store.answered(answering, order.id, "done", "", T0) == "done"
        threads[0].join(30)
    assert row(conn, number)[0] == "done"
    assert told(conn, number)[-1] == ("work orders", "order done")


def test_an_order_that_is_given_up_keeps_nothing_open(conn: Connection) -> None:
    subject = district(conn)["A"]
    number = dispatched(conn, subject)
    order = store.claim(conn, console.now(), sending.LEASE)
    assert order is not None
    tell(conn, event(subject, "firing", "ok", T0 + timedelta(hours=1), incident=number))
    assert field(conn, number, "state") == "recovered"  # the order is out
    store.failed(conn, order, T0, "no answer", T0)
    assert field(conn, number, "state") == "recovered"
    store.failed(conn, order, T0, "no answer", None)
    assert field(conn, number, "state") == "resolved"
    assert told(conn, number)[-2:] == [("work orders", "order failed"), ("work orders", "resolved")]


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({signing.URL: "http://x/"}, "is not: what is sent there is signed"),
        ({signing.URL: "ftp://x/", signing.SECRET: SECRET}, "is no address"),
        ({signing.URL: "https://xn--/hunter2", signing.SECRET: SECRET}, "is no address"),
        ({signing.URL: "https://x:99999/hunter2", signing.SECRET: SECRET}, "is no address"),
        ({signing.URL: "hunter2", signing.SECRET: SECRET}, "is no address"),
        ({signing.URL: "https://x/", signing.SECRET: "hunter2"}, "is no secret"),
    ],
)
def test_what_is_set_wrongly_is_said_without_saying_it(environment: dict[str, str], problem: str) -> None:
    with pytest.raises(console.NotAsAsked, match=problem) as caught:
        sending.target(environment)
    assert "hunter2" not in str(caught.value)


def test_without_an_address_nothing_is_sent() -> None:
    assert sending.target({}) is None
    found: Callable[..., object] = sending.target
    assert repr(found({signing.URL: "https://u:hunter2@x/", signing.SECRET: SECRET})) == "Target()"

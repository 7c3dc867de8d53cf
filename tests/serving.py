"""A server in a thread of the tests, as senders, scrapers and browsers meet it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import httpx

from jobs import serve
from jobs.web.site import Settings


@contextmanager
def serving(settings: Settings) -> Iterator[httpx.Client]:
    """A client of a server with `settings`, which has looked at its store."""
    with closing(serve.listen("127.0.0.1", 0)) as listener:
        server = serve.server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
            try:
                until(lambda: client.get("/healthz").is_success)
                yield client
            finally:
                server.should_exit = True
                thread.join(30)
    assert not thread.is_alive()


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Nothing, once `true`; fails after `seconds`."""
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "it did not come true"
        time.sleep(0.05)

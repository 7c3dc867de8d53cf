"""How the server is started."""

from contextlib import closing

import pytest

from jobs import console, serve


@pytest.mark.parametrize(("host", "only"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])
def test_a_server_that_others_reach_needs_a_token(host: str, only: bool) -> None:
    assert serve.loopback(host) is only
    assert "localhost" in serve.names(host, [], "token") or not only
    if only:
        assert serve.names(host, ["a.example"], None)[-1] == "a.example"
    else:
        assert serve.names(host, [], "token") == ("*",)
        assert "a.example" in serve.names(host, ["a.example"], "token")
        with pytest.raises(console.NotAsAsked, match="GREENWATCH_TOKEN"):
            serve.names(host, [], None)


def test_a_port_that_is_taken_is_said() -> None:
    with closing(serve.listen("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(console.NotAsAsked, match=f"port {port} of 127.0.0.1 is used by another program"):
            serve.listen("127.0.0.1", port)

"""Who may ask: whoever knows the token, if there is one; and no page of another site in the user's browser."""

import base64
import binascii
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Asked by machines that hold no token; they say nothing of the data.
OPEN = frozenset({"/healthz"})
_READING = frozenset({"GET", "HEAD"})
#: Every answer's: a browser takes our types as they are, and tells no other site where the user was.
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}


class Guard:
    """Middleware: 401 without the token, 403 for what a browser sends on behalf of another site.

    The token comes as `Authorization: Bearer TOKEN`; reading also as the password of any user (`Basic`), which is how
    a browser asks for it.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        """`app` behind the guard; no `token` lets everybody in."""
        self.app = app
        self.token = token.encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers itself or lets `app` answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self._refuse(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((n.lower().encode(), v.encode()) for n, v in _ALWAYS.items() if n.lower().encode() not in there),
                ]
            await send(message)

        await (refused or self.app)(scope, receive, with_headers)

    def _refuse(self, scope: Scope) -> Response | None:
        headers, reading = Headers(scope=scope), scope["method"] in _READING
        origin = headers.get("origin")
        if not reading and origin is not None and not _ours(origin, headers.get("host")):
            return JSONResponse({"error": "requests of other sites are refused"}, status_code=403)
        if self.token is None or scope["path"] in OPEN or self._knows(headers.get("authorization", ""), reading):
            return None
        return JSONResponse(
            {"error": "needs the token of GREENWATCH_TOKEN: Authorization: Bearer TOKEN"},
            status_code=401,
            headers={"WWW-Authenticate": 'Basic realm="greenwatch", charset="UTF-8"' if reading else "Bearer"},
        )

    def _knows(self, said: str, reading: bool) -> bool:
        kind, _, words = said.partition(" ")
        given = words.strip().encode("latin-1")  # the bytes as they came
        if reading and kind.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif kind.lower() != "bearer":
            return False
        # In constant time: how long a refusal takes must not tell how much of a guess was right.
        return self.token is not None and hmac.compare_digest(given, self.token)


def _ours(origin: str, host: str | None) -> bool:
    """Whether a page of `origin` came from `host`; an origin that is hidden ("null"), or none at all, did not."""
    try:
        return bool(host) and urlsplit(origin).netloc == host
    except ValueError:
        return False

"""Who may ask: whoever has the token or a key, if there are any; by a name of ours; and no page of another site.

What a request asks for needs

- nothing: whether the service is well, and what its API is (OPEN);
- `write`: whatever changes something;
- `read`: /v1, and what became of one's own posts (for which `write` does as well);
- to look: pages and /metrics;
- `duty`: whatever is done about an incident; that is for people, who log in, and for the token, which says for whom;
- `hook`: Alertmanager's webhook. That of work orders is signed, and judged where it is read.

The token opens all; the one of METRICS, where there is one, opens that and nothing else. A key opens its scopes, and to
look where it reads of any station. Who has none of these may look as long as there is no token; and write or read as
long as there is no token and no key was ever made for that; or act as long as there is no token and nobody was ever
added. A person looks and reads; what a role may do about an incident is decided there.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from analytics.store.keys import Key
from analytics.store.people import Person
from jobs.web import problems
from jobs.web.keys import PREFIX, Keys
from jobs.web.people import Refusal
from jobs.web.problems import Refused

#: Asked by machines that hold no token; they say nothing of the data.
OPEN = ("/healthz", "/openapi.json", problems.PLACE)
#: What Prometheus asks for.
METRICS = "/metrics"
#: What may be read by programs, and by which scopes.
READ: Mapping[str, tuple[str, ...]] = {"/v1/": ("read",), "/batches/": ("write", "read")}
#: What changes something, by what it needs; all else needs `write`.
DUTY, HOOK, SIGNED = "/v1/incidents", "/hooks/alertmanager", "/hooks/work-orders"
CHANGE: Mapping[str, tuple[str, ...]] = {DUTY: ("duty",), HOOK: ("hook",)}
#: Who acts, beside the token; and characters of that.
AUTHOR, LONGEST = "greenwatch-author", 100
_READING = frozenset({"GET", "HEAD"})
#: Every answer's: a browser takes our types as they are, and tells no other site where the user was.
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
_REALM = 'realm="greenwatch"'
_BEARER = f"Bearer {_REALM}"
#: Asks for a token.
CHALLENGE = {"WWW-Authenticate": _BEARER}
_BASIC = f'Basic {_REALM}, charset="UTF-8"'
#: RFC 9110, 7.2: a name or an address, in brackets where it has colons, and a port.
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(:[0-9]*)?\Z")


def key(request: Request) -> Key | None:
    """The key by which `request` was let in; None where it needed none, or had the token."""
    found: Key | None = getattr(request.state, "key", None)
    return found


def person(request: Request) -> Person | None:
    """Who logged in; None where nobody did."""
    found: Person | None = getattr(request.state, "person", None)
    return found


def author(request: Request) -> str:
    """Who acts: the person, else whom the header AUTHOR names. Raises `Refused` where nobody is named."""
    if (found := person(request)) is not None:
        return found.name
    raw = request.headers.get(AUTHOR, "").encode("latin-1")
    try:
        name = raw.decode().strip()
    except UnicodeDecodeError:
        name = ""
    if not (0 < len(name) <= LONGEST and name.isprintable()):
        raise Refused("no-author", f"the header Greenwatch-Author is a name of at most {LONGEST} characters in UTF-8")
    return name


def who(request: Request) -> str:
    """Whose request this is, for what is shared fairly: the key's, the person's, else that of the machine it comes
    from."""
    if (somebody := person(request)) is not None:
        return f"person {somebody.id}"
    found = key(request)
    return f"key {found.id}" if found is not None else f"from {request.client.host if request.client else 'nowhere'}"


def stations(request: Request) -> frozenset[str] | None:
    """Codes of the stations that `request` may ask for and send of; None for any."""
    found = key(request)
    return None if found is None else found.stations


class Guard:
    """Middleware: 400 for another Host, 401 without what is needed, 403 for what is not allowed.

    A token or key comes as `Authorization: Bearer ...`; reading also as the password of any user (`Basic`), which is
    how a browser asks for it.
    """

    def __init__(
        self, app: ASGIApp, token: str | None, keys: Keys, hosts: Sequence[str], metrics: str | None = None
    ) -> None:
        """`app` behind the guard; without a `token` and without keys everybody is let in. `hosts` are our names,
        `metrics` the token of METRICS."""
        self.app, self.keys, self.hosts = app, keys, tuple(name.lower() for name in hosts)
        self.token, self.metrics = (text.encode() if text else None for text in (token, metrics))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers itself or lets `app` answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = await self._refuse(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((n.lower().encode(), v.encode()) for n, v in _ALWAYS.items() if n.lower().encode() not in there),
                ]
            await send(message)

        await (refused or self.app)(scope, receive, with_headers)

    async def _refuse(self, scope: Scope) -> Response | None:
        headers, reading = Headers(scope=scope), scope["method"] in _READING
        if not self._ours(headers.get("host", "")):
            return problems.answer("other-host", "the Host of the request is no name of this server")
        origin = headers.get("origin")
        if not reading and origin is not None and not _same(origin, headers.get("host")):
            return problems.answer("other-site", "the request comes from a page of another site")
        if scope["path"].startswith(OPEN) or (not reading and scope["path"] == SIGNED):
            return None
        return await self._unknown(scope, headers.get("authorization", ""), reading)

    async def _unknown(self, scope: Scope, said: str, reading: bool) -> Response | None:
        """The refusal of whoever is not allowed to ask this; None, and the key in the scope, where they are."""
        secret = given(said, reading=reading)
        scraping = scope["path"] == METRICS and self.metrics is not None
        if equal(secret, self.token) or (scraping and equal(secret, self.metrics)):
            return None
        scopes = _scopes(scope["path"], reading=reading)
        login = _login(said) if self.keys.people.needed else None
        # A password may begin as a key does.
        if secret.startswith(PREFIX.encode()) and (login is None or self.keys.find(secret.decode("latin-1"))):
            return self._unfit(scope, secret.decode("latin-1"), scopes)
        if login is not None:
            return await self._stranger(scope, *login, scopes, reading=reading)
        if self.token is not None or scraping:
            if _login(said) and not self.keys.known:
                return _not_yet()  # else a browser would ask for a password that it has
            named = "GREENWATCH_METRICS_TOKEN" if scraping else "GREENWATCH_TOKEN"
            words = f"send the token of {named} or a key: Authorization: Bearer TOKEN"
            kind = _BASIC if reading or scopes == CHANGE[DUTY] else _BEARER
            return problems.answer("no-key", words, {"WWW-Authenticate": kind})
        if not scopes:
            return None
        if not self.keys.known:
            return _not_yet()
        if scopes == CHANGE[DUTY]:
            if not self.keys.people.needed and not self.keys.needed("duty"):
                return None
            return problems.answer("no-key", "log in as a person: name and password", {"WWW-Authenticate": _BASIC})
        if any(self.keys.needed(name) for name in scopes):
            words = f"a key with the scope {' or '.join(scopes)} is needed: Authorization: Bearer KEY"
            return problems.answer("no-key", words, CHALLENGE)
        return None

    async def _stranger(
        self, scope: Scope, name: str, password: str, scopes: tuple[str, ...], *, reading: bool
    ) -> Response | None:
        """The refusal of who logs in so, or may not ask this; None, and the person in the scope, where they may."""
        client = scope.get("client")
        found = await self.keys.people.log_in(name, password, client[0] if client else "nowhere")
        if isinstance(found, Refusal):
            if found.why == "wrong":
                return problems.answer(
                    "wrong-person", "nobody has this name and password", {"WWW-Authenticate": _BASIC}
                )
            retry = {"Retry-After": str(found.seconds)}
            if found.why == "busy":
                return problems.answer("busy", "too many log in at once", retry)
            return problems.answer("too-many-tries", f"the next try may be in {found.seconds} s", retry)
        if not reading and scopes != CHANGE[DUTY]:
            return problems.answer("outside-scope", f"needs a key with the scope {scopes[0]}; people act on incidents")
        scope.setdefault("state", {})["person"] = found
        return None

    def _unfit(self, scope: Scope, secret: str, scopes: tuple[str, ...]) -> Response | None:
        """The refusal of the key `secret` where it is none, or is for something else; None where it opens this."""
        found = self.keys.find(secret)
        if found is None:
            if not self.keys.known:
                return _not_yet()
            bearer = f'{_BEARER}, error="invalid_token"'
            words = "this key is none of ours, or it was revoked"
            return problems.answer("wrong-key", words, {"WWW-Authenticate": bearer})
        allowed = found.scopes.intersection(scopes) if scopes else "read" in found.scopes and found.stations is None
        if not allowed:
            wanted = " or ".join(scopes) or "read, for any station"
            return problems.answer("outside-scope", f"needs a key with the scope {wanted}; this one has not that")
        scope.setdefault("state", {})["key"] = found
        return None

    def _ours(self, host: str) -> bool:
        """Whether `host` is a name of this server: a page of another name that resolves to this machine (DNS rebinding)
        is refused by it."""
        found = _HOST.match(host.lower())
        name = found["name"] if found else None
        return any(
            own in ("*", name) or (name is not None and own.startswith("*.") and name.endswith(own[1:]))
            for own in self.hosts
        )


def equal(secret: bytes, token: bytes | None) -> bool:
    """Whether `secret` is the `token`, if there is one."""
    # In constant time: how long a refusal takes must not tell how much of a guess was right.
    return token is not None and hmac.compare_digest(secret, token)


def _not_yet() -> Response:
    return problems.answer("away", "the keys were not loaded yet", {"Retry-After": "2"})


def _scopes(path: str, *, reading: bool) -> tuple[str, ...]:
    if reading:
        return next((scopes for prefix, scopes in READ.items() if path.startswith(prefix)), ())
    # Whole parts of the address: what is beside it is another one.
    return next(
        (scopes for place, scopes in CHANGE.items() if path == place or path.startswith(f"{place}/")), ("write",)
    )


def _login(said: str) -> tuple[str, str] | None:
    """The name and the password in the header Authorization; None where there is no name."""
    kind, _, words = said.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(words.strip().encode("latin-1"), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if name and colon else None


def given(said: str, *, reading: bool) -> bytes:
    """The token or key in the header Authorization, as the bytes that came; nothing where there is none."""
    kind, _, words = said.partition(" ")
    secret = words.strip().encode("latin-1")
    if kind.lower() == "bearer":
        return secret
    if not reading or kind.lower() != "basic":
        return b""
    try:
        return base64.b64decode(secret, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _same(origin: str, host: str | None) -> bool:
    """Whether a page of `origin` came from `host`; an origin that is hidden ("null"), or none at all, did not."""
    try:
        return bool(host) and urlsplit(origin).netloc == host
    except ValueError:
        return False

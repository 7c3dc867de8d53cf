"""Webhooks signed by a shared secret, so that who gets one knows who sent it, when, and that nobody changed it.

Source of the form: Standard Webhooks 1.0 (standardwebhooks.com), symmetric signatures: HMAC-SHA256 over
`id.timestamp.body`, `v1,` and base64 in `webhook-signature`, several with blanks between them.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from jobs import console

#: How the variables begin that name where signed words go; they end with `_URL` and `_SECRET`.
WORKORDER, ADVICE = "GREENWATCH_WORKORDER", "GREENWATCH_ADVICE"
SECRET, URL = f"{WORKORDER}_SECRET", f"{WORKORDER}_URL"
ID, TIMESTAMP, SIGNATURE = HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_PREFIX, _VERSION = "whsec_", "v1,"
#: Of a secret [bytes]: a shorter one can be guessed.
SHORTEST = 24
#: A stamp may be off by so long [s]: of what is older, it is no longer remembered whether it was here.
TOLERANCE = 300
#: Signatures of one webhook: while a secret is changed there are two.
MOST = 10


def secret(text: str, name: str = SECRET) -> bytes | None:
    """The secret in `text`, the value of the variable `name`; None where it is empty. Raises `NotAsAsked` where it is
    none, without saying it."""
    if not text:
        return None
    try:
        found = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) < SHORTEST:
        raise console.NotAsAsked(
            f"{name} is no secret: `{_PREFIX}` and base64 of {SHORTEST} random bytes or more "
            f"(echo {_PREFIX}$(openssl rand -base64 32))"
        )
    return found


def sign(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """The signature of `body`."""
    signed = b"%s.%d.%s" % (id.encode(), timestamp, body)
    return _VERSION + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(key: bytes, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """What is sent beside `body`."""
    return dict(zip(HEADERS, (id, str(timestamp), sign(key, id, timestamp, body)), strict=True))


def wrong(key: bytes, said: Mapping[str, str], body: bytes, now: float) -> str:
    """What is wrong with the webhook, `said` its headers, that came at `now` [s since 1970]; empty where nothing is."""
    id, stamp, signatures = (said.get(name, "") for name in HEADERS)
    # Visible ASCII without the dot that ends it: else two webhooks could be signed alike.
    if not (0 < len(id) <= 200 and id.isascii() and id.isprintable() and " " not in id and "." not in id):
        return f"{ID} is none"
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        return f"{TIMESTAMP} is no time in seconds"
    if abs(now - int(stamp)) > TOLERANCE:
        return f"{TIMESTAMP} is more than {TOLERANCE} s off"
    expected = sign(key, id, int(stamp), body).encode()
    given = signatures.split(" ")[:MOST]
    # All of them, each in constant time.
    fits = [hmac.compare_digest(expected, one.encode("latin-1", "replace")) for one in given]
    return "" if any(fits) else f"{SIGNATURE} is not that of this body"

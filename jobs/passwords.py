"""Passwords of people: argon2id (RFC 9106, the profile for little memory), slow on purpose."""

import argon2
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from jobs import console

#: Characters of a password. NIST SP 800-63B asks for 8; a longer one than this only costs time.
SHORTEST, LONGEST = 10, 200

_HASHER = PasswordHasher.from_parameters(argon2.profiles.RFC_9106_LOW_MEMORY)
#: Of a password that nobody has: who asks for a name that is not there waits as long.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$Z3JlZW53YXRjaC1ub2JvZHk$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def check(password: str) -> None:
    """Nothing, where `password` may be one. Raises `NotAsAsked`, without saying it."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise console.NotAsAsked(f"a password has {SHORTEST} to {LONGEST} characters")
    if not password.isprintable():
        raise console.NotAsAsked("a password has no signs that cannot be seen")


def hashed(password: str) -> str:
    """What is kept of `password`. Takes some tenths of a second, and 64 MiB."""
    return _HASHER.hash(password)


def fits(hash: str, password: str) -> bool:
    """Whether `password` is the one that `hash` was made of. Takes as long."""
    try:
        return _HASHER.verify(hash, password)
    except (VerificationError, InvalidHashError):
        return False

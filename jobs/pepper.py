"""The pepper: a secret of the server that no table and no file of ours holds."""

import os

from jobs import console

NAME = "GREENWATCH_PEPPER"
#: A shorter one could be guessed by whoever has the table: six digits of a password add little.
SHORTEST = 16


def read() -> bytes | None:
    """The pepper of the environment; None where none is set. Raises `NotAsAsked` where it is too short."""
    found = os.environ.get(NAME, "")
    if found and len(found) < SHORTEST:
        raise console.NotAsAsked(f"{NAME} is shorter than {SHORTEST} characters: take a random one, and keep it")
    return found.encode() or None

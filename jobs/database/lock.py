"""One process at a time, and folders that other users can pass."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def folder(path: Path) -> Path:
    """`path`, made with its parents where missing, open for passing whatever the umask says.

    Under a umask of 077 root would make folders that the server's user cannot pass.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        each.chmod(0o755)
    return path


@contextmanager
def held(path: Path, waiting: Callable[[], None]) -> Iterator[int]:
    """Holds the lock file `path` and yields its descriptor; calls `waiting` if somebody else holds it.

    The holder may remove the file (`clean` does), so a lock counts only while `path` still names the locked file.
    A program that works for the holder gets the descriptor, so that the next one waits for it if the holder is killed.
    Without being asked Python hands it to nobody: a server that is started under the lock does not keep it.
    """
    while True:
        folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(handle, fcntl.LOCK_EX)
            if _names(path, handle):
                yield handle
                return
        finally:
            os.close(handle)


def _names(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False

"""The user that PostgreSQL runs as."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.database.errors import UnfitHome

#: Nothing of the caller's: PGDATA, PGPORT or LD_PRELOAD would lead the programs astray.
_ENVIRON = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Account:
    """A user by name and ids; `other` tells that it is not the caller."""

    name: str
    uid: int
    gid: int
    other: bool

    def run(
        self, command: Sequence[str | Path], feed: str = "", hold: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """What became of `command`, run as this user with `feed` as its input.

        Whatever touches the folders of this user goes this way: root writing there would follow a link that the user
        laid, and root must not signal a process that the user named in a file. The folder is /, since the user may not
        be able to enter the caller's. Of open files only `hold` is passed on: a server holds no lock of ours.
        """
        return subprocess.run(
            [str(word) for word in command],
            user=self.uid if self.other else None,
            group=self.gid if self.other else None,
            extra_groups=[] if self.other else None,
            umask=0o077,
            env=_ENVIRON,
            cwd="/",
            pass_fds=hold,
            input=feed,
            capture_output=True,
            text=True,
            check=False,
        )

    def own(self, path: Path) -> None:
        """Makes this user the owner of `path`, which must lie in a folder of the caller's."""
        if self.other:
            os.chown(path, self.uid, self.gid)


def account(data: Path) -> Account:
    """The owner of `data` if it exists; else the caller, or for root, whom PostgreSQL refuses, `postgres` or `nobody`.

    The owner first: a user `postgres` who was made later cannot read what `nobody` owns.
    """
    caller = os.geteuid()
    if caller != 0:
        return _of(caller, other=False)
    if data.exists():
        return _of(data.stat().st_uid, other=True)
    for name in ("postgres", "nobody"):
        try:
            return _of(pwd.getpwnam(name).pw_uid, other=True)
        except KeyError:
            continue
    raise UnfitHome(
        "this machine has neither a user postgres nor nobody, and PostgreSQL refuses root. Run as another user"
    )


def _of(uid: int, *, other: bool) -> Account:
    if uid == 0:
        raise UnfitHome("its data belong to root, as whom PostgreSQL refuses to run. Let GREENWATCH_HOME name another")
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise UnfitHome(f"user {uid} has no line in /etc/passwd, which PostgreSQL asks for. Add one") from None
    return Account(entry.pw_name, uid, entry.pw_gid, other)

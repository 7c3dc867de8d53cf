"""PostgreSQL 17 and TimescaleDB (Apache edition) of Debian trixie, unpacked into a private folder."""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.database import debian
from jobs.database.debian import SUITE, Say, Tree

MAJOR = 17

_SELECTION = debian.Selection(
    title=f"PostgreSQL {MAJOR}",
    wanted=[f"postgresql-{MAJOR}-timescaledb"],
    # Servers and shared libraries. `zlib1g` lacks the prefix `lib`: forgotten, the host's would silently be borrowed.
    keep=re.compile(rf"lib|zlib1g$|postgresql-{MAJOR}(-timescaledb)?$|postgresql-client-{MAJOR}$"),
    # Perl, LLVM and what only packaging scripts need.
    leave=re.compile(
        r".*-perl$|lib(perl|llvm|z3|gdbm|db5|debconf|semanage|sepol|proc2|pam-modules|c-l10n|c-bin|sasl2-modules)"
    ),
    size="about 40 MB",
    room=600_000_000,
    elsewhere="run your own TimescaleDB (compose.yaml has one) and name it by --dsn or PGHOST",
)


@dataclass(frozen=True, slots=True)
class Programs:
    """The unpacked programs below `folder`. The folder may be moved."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / f"{SUITE}-pg{MAJOR}"

    @property
    def bin(self) -> Path:
        return _bin(self.root)

    @property
    def complete(self) -> bool:
        return Tree(self.root).complete

    def version(self, package: str) -> str:
        """The Debian version of `package`, empty if it is not unpacked."""
        return Tree(self.root).version(package)


def install(folder: Path, say: Say, environ: Mapping[str, str] = os.environ) -> Programs:
    """The programs below `folder`, fetched and unpacked if they are not there. Safe to run twice, or two at once."""
    programs = Programs(folder)
    debian.install(programs.root, _SELECTION, _finish, say, environ)
    return programs


def _bin(root: Path) -> Path:
    return root / f"usr/lib/postgresql/{MAJOR}/bin"


def _finish(tree: Tree) -> None:
    modules = _bin(tree.root).parent / "lib"
    shutil.rmtree(modules / "bitcode", ignore_errors=True)
    # LLVM was left out; its module without it would break costly queries (58P01). Without the file JIT is simply off.
    for module in modules.glob("llvmjit*"):
        module.unlink()
    elf = tree.wrap(_bin(tree.root))
    tree.check_libraries([*sorted(elf.iterdir()), *sorted(modules.glob("timescaledb*.so"))])

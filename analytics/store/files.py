"""Where the SQL lies: inside an installed package, or beside it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


def sql(folder: str) -> list[Path]:
    """The files of `sql/<folder>` in the order of their numbers. Raises FileNotFoundError where there are none."""
    for root in (_PACKAGE / "sql", _PACKAGE.parent / "sql"):
        if found := sorted((root / folder).glob("*.sql")):
            return found
    raise FileNotFoundError(f"no sql/{folder}: the installation is incomplete, install greenwatch again")

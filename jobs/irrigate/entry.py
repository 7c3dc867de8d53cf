"""Where zones have their water from, as a CSV says it."""

import csv
import io
import math
from pathlib import Path
from typing import Any

import typer

#: A list may be so large [B].
_MOST = 1_000_000
_COLUMNS = ("supply", "title", "title_zh", "daily", "yearly", "night", "source", "worst", "zones")

#: What it gives a day and a calendar year [m³]; where nothing is said, whatever is asked for.
_GIVES = ("daily", "yearly")


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file as store.supplies.save takes them."""
    if path.stat().st_size > _MOST:
        raise typer.BadParameter(f"{path} is larger than {_MOST} bytes", param_hint="--supplies")
    found = []
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), skipinitialspace=True)
        for row in reader:
            cell = {name: (row.get(name) or "").strip() for name in _COLUMNS}
            gives, worst = {name: float(cell[name] or "inf") for name in _GIVES}, int(cell["worst"] or 6)
            sound = all(volume >= 0 for volume in gives.values())
            if not cell["supply"] or cell["night"] not in ("", "yes", "no") or not sound or not 1 <= worst <= 6:
                raise ValueError(f"{row}")
            found.append(
                cell
                | {name: None if math.isinf(volume) else volume for name, volume in gives.items()}
                | {"worst": worst, "night": cell["night"] == "yes"}
                | {"source": cell["source"] or None, "zones": cell["zones"].split()}
            )
    except (ValueError, csv.Error) as error:
        raise typer.BadParameter(f"{path} line {len(found) + 2}: {error}", param_hint="--supplies") from None
    codes = [row["supply"] for row in found]
    if len(set(codes)) < len(codes):
        raise typer.BadParameter(f"{path}: a supply stands there twice", param_hint="--supplies")
    return found

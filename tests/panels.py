"""The dashboards as their files say them: names, contents, panels."""

import json
from pathlib import Path
from typing import Any

from dashboards import build

FOLDER = Path(build.__file__).parent
NAMES = list(build.DASHBOARDS)


def load(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in load(name)["panels"] if panel["type"] != "row"]

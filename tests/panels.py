"""The dashboards and the rules as their files say them: names, contents, panels, alerts."""

import json
from pathlib import Path
from typing import Any

import yaml

from dashboards import build

FOLDER = Path(build.__file__).parent
NAMES = list(build.DASHBOARDS)


def load(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in load(name)["panels"] if panel["type"] != "row"]


#: Files of alerts.
RULES = ("greenwatch", "doors", "service", "paging")


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    files = [yaml.safe_load((FOLDER / f"rules/{name}.yml").read_text(encoding="utf-8")) for name in RULES]
    return [rule for book in files for group in book["groups"] for rule in group["rules"] if "alert" in rule]

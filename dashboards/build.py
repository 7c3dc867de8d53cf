"""Writes the dashboards as Grafana reads them: `python -m dashboards.build`. Never edit the files it writes."""

import json
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import air, district, doors, duty, noise, pipeline, quality, soil, station, water
from dashboards.pieces import Dashboard

FOLDER = Path(__file__).parent
#: File name and uid -> what makes it.
DASHBOARDS: dict[str, Callable[[], Dashboard]] = {
    "greenwatch-district": district.build,
    "greenwatch-air": air.build,
    "greenwatch-water": water.build,
    "greenwatch-noise": noise.build,
    "greenwatch-soil": soil.build,
    "greenwatch-station": station.build,
    "greenwatch-doors": doors.build,
    "greenwatch-quality": quality.build,
    "greenwatch-pipeline": pipeline.build,
    "greenwatch-duty": duty.build,
}


def text(name: str) -> str:
    """The file of the dashboard `name`."""
    return json.dumps(DASHBOARDS[name](), cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Nothing; every dashboard is written."""
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    main()

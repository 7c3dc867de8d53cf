"""Every dashboard drawn in a real browser with Grafana's own front-end libraries, over a district that is at work.

Looked at by people, in `dashboards/pictures`; here is held that nothing failed: no complaint of the browser, no query,
no panel, and none that says "No data" without saying why it may. Pixels are never compared.
"""

import time
from contextlib import closing

import psycopg

from tests import panels, tools
from tests.draw import project
from tests.draw.answers import Answers
from tests.draw.drawing import Drawn, Studio
from tests.draw.stage import stage
from tests.soak.figures import Outcome
from tests.soak.house import House, pace
from tests.soak.panels.reader import reader

PICTURES = panels.FOLDER / "pictures"
THEMES = ("light", "dark")
#: Dashboards whose picture is kept for the README, in a theme each; all others are drawn, too.
KEPT = {
    "greenwatch-district": "light",
    "greenwatch-air": "dark",
    "greenwatch-water": "light",
    "greenwatch-station": "dark",
    "greenwatch-quality": "light",
    "greenwatch-duty": "light",
}
#: What a dashboard of one thing shows.
SHOWN = {"greenwatch-station": {"station": "SYN-A01", "parameter": "pm25"}}
#: Panels that may be empty in a district that is well: (dashboard, part of the title) -> why.
MAY_BE_EMPTY = {
    ("noise", "Alarms"): "nights end",
    ("soil", "Alarms"): "nothing of the soil raises one",
    ("doors", "MQTT broker"): "there is none",
    ("doors", "Rejects by source"): "nothing was refused",
    ("doors", "Age of the spools"): "nothing waits",
    ("doors", "Clocks that are off"): "devices of this machine have its clock",
    ("doors", "Pulls"): "there are none",
    ("quality", "Rejects"): "nothing was refused",
    ("quality", "Clocks"): "devices of this machine have its clock",
    ("pipeline", "Backfills"): "there are none",
    ("duty", "Escalated now"): "nobody waited for so long",
}


def run(house: House, _: int) -> Outcome:
    """Figures of the drawings."""
    out = Outcome()
    steps = 1 + len(panels.NAMES) * len(THEMES)
    with house.database() as dsn, house.files() as folder, pace("draw", steps, "pictures") as step:
        modules = project.modules()
        (folder / "page").mkdir()
        page = project.bundle(folder / "page", modules)
        with stage(dsn, folder) as prometheus, reader(dsn, 5) as address, tools.browser() as browser:
            step(1, "a district at work")
            with closing(psycopg.connect(address, autocommit=True)) as conn:
                studio = Studio(browser, page, modules / "@grafana/ui/dist/public/img/icons", Answers(conn, prometheus))
                for name in panels.NAMES:
                    for theme in THEMES:
                        began = time.perf_counter()
                        drawn = studio.draw(name, theme, **SHOWN.get(name, {}))
                        report(out, drawn, time.perf_counter() - began)
                        if KEPT.get(name) == theme:
                            (PICTURES / f"{name}.png").write_bytes(drawn.picture)
                        step(1, f"{name}, {theme}")
    return out


def report(out: Outcome, drawn: Drawn, seconds: float) -> None:
    """Nothing; what went wrong in a drawing is in `out`, with the targets."""
    name = f"{drawn.name}, {drawn.theme}"
    own = drawn.name.removeprefix("greenwatch-")
    empty = [title for title in drawn.empty if not any(own == of and part in title for of, part in MAY_BE_EMPTY)]
    out.add(f"{name}: panels", len(drawn.panels))
    out.add(f"{name}: complaints, failed queries, panels in error", len(drawn.wrong), "", most=0)
    out.add(f"{name}: panels without data", len(empty), "", most=0)
    out.add(f"{name}: drawn in", seconds, "s")
    out.details[name] = {
        "wrong": list(dict.fromkeys(drawn.wrong)),
        "empty": drawn.empty,
        "queries": len(drawn.asked),
        "slowest query [ms]": round(1000 * max((each.seconds for each in drawn.asked), default=0), 1),
        "marks": sum(panel["marks"] for panel in drawn.panels),
    }

"""The shipped detectors on all shared labelled sets, beside the goals: one configuration, at its own line."""

from collections.abc import Mapping
from typing import NamedTuple

from analytics.evaluation import sets
from tests.published.detection_report import measured
from tests.published.detectors import shipped
from tests.soak.figures import Outcome
from tests.soak.house import House, pace


class Goal(NamedTuple):
    """What a set is to reach at least, false alarms a station-week at most; None: nothing is asked."""

    f1: float | None = None
    false: float | None = None
    vus: float | None = None
    nab: float | None = None


GOALS: Mapping[str, Goal] = {
    "logan-river": Goal(f1=0.55, false=0.15),
    "swmp-apalachicola": Goal(f1=0.80),
    "gecco2018-water": Goal(f1=0.60, false=1.0),
    "skab": Goal(vus=0.92),
    "nab": Goal(vus=0.36, nab=62.0),
}
#: F1 at the line may be so much lower than at the best one.
HELD = 0.05


def run(house: House, _: int) -> Outcome:
    """Figures of every set that is here."""
    out = Outcome()
    if not sets.DATA.exists():
        out.notes.append("not run: the labelled sets of ../shared are not here")
        return out
    with pace("detection", len(sets.SETS), "sets") as step:
        for name in sets.SETS:
            goal, (reached, seconds) = GOALS.get(name, Goal()), measured(name, shipped)
            own = reached.own
            out.add(f"{name}: F1 of events at the line", own.f1, least=goal.f1)
            out.add(f"{name}: false alarms", own.false_rate, "a station-week", most=goal.false)
            out.add(f"{name}: F1 lost to the best line", reached.best.f1 - own.f1, most=HELD)
            out.add(f"{name}: VUS-PR", reached.vus, least=goal.vus)
            if reached.nab:
                out.add(f"{name}: standard score at the line", reached.nab[0], least=goal.nab)
            out.add(f"{name}: speed, learning by the clock", sets.read(name).height / seconds, "rows/s")
            step(1, name)
    return out

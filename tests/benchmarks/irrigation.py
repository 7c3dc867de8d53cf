"""Plans of seven days for 2,000 zones, and one supply shared among them. `python -m tests.benchmarks.irrigation`."""

import numpy as np

from analytics import crops
from analytics.irrigation import plan
from analytics.irrigation.filter import Numbers
from tests.benchmarks.common import measure, report

ZONES, RAINS = 2_000, 21


def district(seed: int = 1) -> tuple[plan.Ahead, Numbers]:
    """Zones in all states, the rains that may come to them, and their areas [m²]."""
    rng = np.random.default_rng(seed)
    rain = np.where(rng.random((ZONES, RAINS, plan.LONG)) < 0.2, rng.gamma(1, 8, (ZONES, RAINS, plan.LONG)), 0.0)
    full = np.ones(ZONES)
    demand = rng.uniform(3, 6, (ZONES, 1)) * np.ones(plan.LONG)
    return plan.Ahead(rng.uniform(0, 40, ZONES), 3 * full, 26 * full, 65 * full, demand, rain), rng.uniform(
        100, 3000, ZONES
    )


def main() -> None:
    """Prints a table."""
    ahead, area = district()
    rules = crops.load().rules["plan"]
    wanted = plan.make(ahead, rules).depth
    supply = np.full(plan.LONG, 0.8 * (wanted * area[:, None]).sum(axis=0).mean())
    ways = {
        "plans, each zone by itself": lambda: plan.make(ahead, rules),
        "a supply that is short, shared": lambda: plan.share(ahead, wanted, area, supply),
    }
    report("plans of seven days", ZONES, "zones", measure(ways))


if __name__ == "__main__":
    main()

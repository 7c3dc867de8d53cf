"""What codes mean: commands that bring figures, what follows the code of a factor, and the factors themselves.

Origin: HJ 212-2017, tables 7 to 9 and annex B; `tables/hj212_factors.csv` has the factors, each with its source.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: Command -> step between its figures [s], as the standard has it; a device may be registered with others.
CADENCES: Mapping[str, int] = {"2011": 60, "2051": 600, "2061": 3600, "2031": 86_400}
#: Command -> what its intervals begin on [s]: minutes, hours, days of the device's clock. A moment begins on nothing.
GRIDS: Mapping[str, int] = {"2051": 60, "2061": 3600, "2031": 86_400}
#: What follows the code of a factor -> statistic of the channel. What is not here is no figure of a factor.
STATISTICS: Mapping[str, str] = {
    "Rtd": "",
    "Avg": "",
    "Data": "",
    "Min": "min",
    "Max": "max",
    "Cou": "sum",
    "ZsRtd": "converted",
    "ZsAvg": "converted",
    "ZsMin": "converted-min",
    "ZsMax": "converted-max",
    "DayData": "day",
    "NightData": "night",
    "RawAvg": "raw",
}
#: Systems whose stations stand in the open air and send what people there speak of (µg/m³): 22 ambient air, 39 dust,
#: 43 small air stations, which no edition names.
AMBIENT = frozenset({"22", "39", "43"})
#: Codes of answers (QnRtn, ExeRtn): carried out, done; nothing is there.
WELL, NO_DATA = "1", "100"


@dataclass(frozen=True, slots=True)
class Factor:
    """A code that has a parameter of ours: its `channel`, and the `unit` in which it is sent.

    `ambient` is the unit of stations of `AMBIENT`, where that is another one.
    """

    channel: str
    unit: str
    ambient: str

    def sent(self, system: str) -> str:
        """The unit of its figures from a device of `system` (ST)."""
        return self.ambient if system in AMBIENT else self.unit


def factors(rows: Iterable[Mapping[str, str]]) -> dict[str, Factor]:
    """Code, of 2017 and of 2005, in lower case -> the factor; of `rows` as the package table has them."""
    found: dict[str, Factor] = {}
    for row in rows:
        factor = Factor(row["channel"], row["unit"], row["ambient_unit"] or row["unit"])
        found |= {row[name].lower(): factor for name in ("code_2005", "code") if row[name]}
    return found


def channel(base: str, suffix: str) -> str:
    """What `base` is as a channel where its figure is called by `suffix`: `pm25` and Min is `pm25:min`.

    A factor that is a statistic already (`laeq:ldn`) is not made another one by the part of the day it is sent for.
    """
    statistic = STATISTICS[suffix]
    if not statistic or (":" in base and suffix in ("DayData", "NightData")):
        return base
    return f"{base}-{statistic}" if ":" in base else f"{base}:{statistic}"

"""What a file says and what the database holds, in one shape, so that the two can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from analytics.store.errors import Nonsense
from analytics.store.registry import Channel

#: What a station is by itself, beside its code; a fact that a file leaves out stays as it is.
FACTS = ("title", "title_zh", "longitude", "latitude", "utc_offset")
#: What a zone is by itself, beside its code, and those of it that a new one must have.
ZONE = (
    "title",
    "title_zh",
    "weather",
    "probe",
    "beside",
    "area",
    "cover",
    "texture",
    "root_depth",
    "field_capacity",
    "wilting_point",
    "flow",
    "method",
    "altitude",
)
NEEDED = ("weather", "area", "cover", "texture", "flow", "method")
#: What a device is by itself, beside its number. The key is the keyed hash of its password.
DEVICE = ("station", "key", "edition", "utc_offset", "cadences", "units", "channels", "sentinels", "bends")
#: What a sensor behind a network is by itself, beside its id.
NODE = ("station", "cadence", "channels", "units", "sentinels")
#: What a pull is by itself, beside its name.
PULL = ("connector", "ids", "every", "horizon", "url", "on")
#: What an emitter is by itself, beside its name.
EMITTER = ("title", "title_zh", "longitude", "latitude", "emits")
#: Problems that are shown at most: who mistook a column has one a row.
SHOWN = 50
#: The step of a derived series [s].
HOUR = 3_600
_STEPS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


class Secrets(NamedTuple):
    """What no file holds: the pepper under which passwords are kept (None: there is none), and words a file names."""

    pepper: bytes | None = None
    words: Mapping[str, str] = {}


NO_SECRETS = Secrets()


class Series(NamedTuple):
    """Identity of a series; `cadence` [s]."""

    station: str
    parameter: str
    position: str
    statistic: str
    cadence: int

    @property
    def channel(self) -> str:
        """Its name inside the station, as sources write it."""
        return str(Channel(self.parameter, self.position, self.statistic))

    def __str__(self) -> str:
        return f"{self.station} {self.channel} {step(self.cadence)}"


class Membership(NamedTuple):
    """When a station began to be in a place of `kind`; no `since`: ever."""

    station: str
    kind: str
    since: date | None

    def __str__(self) -> str:
        return f"{self.station} {self.kind}" + (f" since {self.since}" if self.since else "")


class Spoken(NamedTuple):
    """What an authority speaks for."""

    station: str
    parameter: str

    def __str__(self) -> str:
        return f"{self.station} {self.parameter}"


class Voice(NamedTuple):
    """The series that speaks, and the one that stands in."""

    series: Series
    fallback: Series | None


class Adopted(NamedTuple):
    """A standard in force at a place (none: everywhere) from a day on."""

    standard: str
    place: str
    valid_from: date

    def __str__(self) -> str:
        return f"{self.standard} {self.place or 'everywhere'} from {self.valid_from}"


class Derived(NamedTuple):
    """A derived series, and the local day from which on it is derived so; no `since`: ever."""

    station: str
    parameter: str
    position: str
    since: date | None

    @property
    def series(self) -> Series:
        """What it is as a series: an hourly one."""
        return Series(self.station, self.parameter, self.position, "", HOUR)

    def __str__(self) -> str:
        return f"{self.station} {self.series.channel}" + (f" since {self.since}" if self.since else "")


class Formula(NamedTuple):
    """How a series is derived: its kind, the series of each role, what the site says."""

    kind: str
    inputs: tuple[tuple[str, Series], ...]
    given: tuple[tuple[str, float], ...]


class Term(NamedTuple):
    """Its last day (None: open) and who says so ("": not said)."""

    valid_to: date | None
    source: str


@dataclass(slots=True)
class Registry:
    """Rows by their key. A station and a zone have the facts that are said.

    A place of None means that the station left, a zone's probe of None that it has none, a formula of None that the
    series is derived no longer.
    """

    sources: dict[str, int | None] = field(default_factory=dict)
    stations: dict[str, dict[str, object]] = field(default_factory=dict)
    memberships: dict[Membership, str | None] = field(default_factory=dict)
    series: dict[Series, None] = field(default_factory=dict)
    authorities: dict[Spoken, Voice] = field(default_factory=dict)
    adoptions: dict[Adopted, Term] = field(default_factory=dict)
    zones: dict[str, dict[str, object]] = field(default_factory=dict)
    derivations: dict[Derived, Formula | None] = field(default_factory=dict)
    devices: dict[str, dict[str, object]] = field(default_factory=dict)
    nodes: dict[str, dict[str, object]] = field(default_factory=dict)
    pulls: dict[str, dict[str, object]] = field(default_factory=dict)
    emitters: dict[str, dict[str, object]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(self.counts().values())

    def counts(self) -> dict[str, int]:
        """Rows of each noun, in the order in which they are shown: what is referred to comes first."""
        return {
            "source": len(self.sources),
            "station": len(self.stations),
            "membership": len(self.memberships),
            "series": len(self.series),
            "authority": len(self.authorities),
            "adoption": len(self.adoptions),
            "zone": len(self.zones),
            "derivation": len(self.derivations),
            "device": len(self.devices),
            "node": len(self.nodes),
            "pull": len(self.pulls),
            "emitter": len(self.emitters),
        }


def news(old: Mapping[str, object] | None, said: Mapping[str, object]) -> dict[str, object]:
    """The facts of `said` that are other than the `old` ones; all where there are none."""
    return {key: value for key, value in said.items() if old is None or old.get(key) != value}


class Change(NamedTuple):
    """One row that is new or other. `fields` are its name, what was there (None: nothing), what will be."""

    noun: str
    subject: str
    new: bool
    fields: tuple[tuple[str, str | None, str], ...]
    remark: str = ""


class Problem(NamedTuple):
    """What is wrong in a line of a file."""

    line: int
    reason: str


def refuse(name: str, problems: Sequence[Problem]) -> None:
    """Nothing where there are no problems; else raises `Nonsense`: a line a problem, the first fifty of them."""
    if not problems:
        return
    found = sorted(dict.fromkeys(problems), key=lambda problem: problem.line)
    lines = [f"{name}:{problem.line}: {problem.reason}" for problem in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"and {len(found) - SHOWN} more")
    count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    raise Nonsense(
        "\n".join([f"{name} has {count}, nothing was written. Correct the file and register it again:", *lines])
    )


def step(cadence: int) -> str:
    """`cadence` [s] as a file says it: 30s, 10m, 1h, 1d."""
    unit, size = next((unit, size) for unit, size in _STEPS.items() if cadence % size == 0)
    return f"{cadence // size}{unit}"


def steps() -> Mapping[str, int]:
    """Seconds in each unit of a cadence."""
    return _STEPS


def offset(minutes: int) -> str:
    """`minutes` from UTC as a file says it: +08:00."""
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"

"""What is registered of a sensor behind a network."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Node:
    """The sensor `id` (its DevEUI in small letters, mostly) of a `station`; names of fields in small letters."""

    id: str
    station: str
    #: of its series [s]; None: those that speak for their parameters
    cadence: int | None = None
    #: field -> channel, "" where it is none of ours; field -> unit where it is not the parameter's
    channels: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    #: numbers that stand for no value
    sentinels: tuple[float, ...] = ()

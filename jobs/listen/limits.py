"""How much of each thing a listener takes: from a connection, from a stranger, from all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    #: connections at once; one more takes the place of the stranger who is here longest, if there is one
    connections: int = 12_000
    #: whoever says nothing that is understood for so long is let go; as long as hourly figures without heartbeats need
    idle: float = 3_900.0
    #: who has not said by then whose device it is
    stranger: float = 120.0
    #: the rest of a frame must be here by then
    part: float = 30.0
    #: bytes a second of a connection in the long run, and at once
    rate: int = 16 * 1024
    burst: int = 128 * 1024
    #: the same of somebody who has not said whose device it is
    stranger_rate: int = 2 * 1024
    stranger_burst: int = 16 * 1024
    #: bytes that wait to be taken by a peer that does not read
    unread: int = 64 * 1024
    #: frames of a connection that wait for the disk
    pending: int = 128
    #: faults one behind another, and frames of nobody's device, until a connection is closed
    faults: int = 50
    refusals: int = 5
    #: wrong passwords for a device from an address within `guessing` until none is looked at for that long
    guesses: int = 10
    guessing: float = 60.0
    #: devices that speak through one connection
    devices: int = 256
    #: an answer to a request of ours, how often it is sent again (OverTime and ReCount of the standard), and what
    #: comes of it once it is accepted
    over_time: float = 10.0
    recount: int = 3
    result: float = 600.0

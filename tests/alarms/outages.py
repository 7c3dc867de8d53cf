"""Seeded histories of many stations: haze that comes and goes, and everything that can happen to its readings."""

import random
from dataclasses import dataclass, field

CHANNELS = ("pm25", "o3")
#: One of these happens to each hour of a channel, mostly the first.
FATES = ("live", "live", "live", "live", "live", "live", "live", "lost", "late", "corrected", "filled", "odd")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What comes at `at` [h]: the mean of an `hour`, None: it is taken away. Live ones move the live edge."""

    at: float
    station: int
    channel: str
    hour: int
    value: float | None
    kind: str


@dataclass(slots=True)
class Maker:
    """Makes histories of `hours` hours."""

    dice: random.Random
    hours: int
    made: list[Delivery] = field(default_factory=list)

    def station(self, number: int, haze: list[float]) -> None:
        """Adds what comes of station `number`, over which lies `haze`."""
        gaps = self._gaps()
        for channel in CHANNELS:
            noise = self.dice.choice([0.0, 0.0, 4.0])
            apart = self.dice.random() < 0.3
            level = self._walk() if apart else haze
            for hour in range(self.hours):
                value = max(0.0, round(level[hour] + noise * self.dice.uniform(-1, 1), 1))
                self._hour(number, channel, hour, value, gaps)

    def haze(self) -> list[float]:
        """What lies over a district, hour by hour."""
        return self._walk()

    def _walk(self) -> list[float]:
        out: list[float] = []
        while len(out) < self.hours:
            out += [self.dice.choice([0.0, 4.0, 5.0, 7.0, 12.0, 15.0, 19.0, 25.0, 30.0])] * self.dice.randint(1, 9)
        return out[: self.hours]

    def _gaps(self) -> list[tuple[int, int, str]]:
        """(first hour, end, what becomes of them) of outages of the whole station, of every length; or faults."""
        out = []
        for _ in range(self.dice.choice([0, 1, 1, 2])):
            first = self.dice.randrange(self.hours)
            length = self.dice.choice([1, 2, 3, 5, 8, 13, 20, 30])
            out.append((first, first + length, self.dice.choice(["lost", "after", "filled", "wrong"])))
        return out

    def _hour(self, station: int, channel: str, hour: int, value: float, gaps: list[tuple[int, int, str]]) -> None:
        def come(at: float, kind: str, what: float | None = value) -> None:
            self.made.append(Delivery(at, station, channel, hour, what, kind))

        for first, end, fate in gaps:
            if first <= hour < end:
                if fate == "after":  # a data logger sends all it kept, live, once the line is there again
                    come(end + 0.5, "live")
                elif fate == "filled":
                    come(end + self.dice.randint(1, 6), "backfill")
                elif fate == "wrong":  # a device that was out of order, found out later
                    come(hour + 1.0, "live", 30.0)
                    come(end + 0.25, "correction", self.dice.choice([0.0, None]) if end % 2 else 0.0)
                return
        fate = self.dice.choice(FATES) if self.dice.random() < 0.25 else "live"
        if fate == "lost":
            return
        if fate == "late":
            come(hour + 1 + self.dice.randint(1, 6), "late")
        elif fate == "filled":
            come(hour + 1 + self.dice.randint(0, 6), "backfill")
        else:
            come(hour + 1.0, "live")
        if fate == "corrected":
            come(hour + 1 + self.dice.randint(1, 8), "correction", self.dice.choice([0.0, 4.0, 12.0, 30.0]))
        elif fate == "odd":
            come(hour + 1 + self.dice.randint(1, 8), "correction", None)


def looks(dice: random.Random, hours: int) -> list[float]:
    """When somebody looks [h]: about every hour, but for when the watch is down; it knows nothing but what it wrote."""
    out, down = [], 0
    for hour in range(1, hours + 6):
        down = max(0, down - 1)
        if not down and dice.random() < 0.06:
            down = dice.randint(1, 7)
        if not down:
            out += [hour + minute / 60 for minute in dice.choice([(1,), (1,), (9,), (1, 35), (45,)])]
    return out

"""Alarms as a person would work them out: one station at a time, one hour after the other, in plain loops.

Written apart from analytics.alarms, to be held against it: nothing of it is used here but the words of states.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: Lines of both episode rules, and what parts episodes [h].
LEVELS, OFF, BRIDGE, SILENCE = (10.0, 20.0), (5.0, 18.0), 2, 12
CLEAR, FRESH = 4, 10 / 60 + 1e-9  # [periods], [h]; ten minutes are ten
ON = ("firing", "blind", "recovering")


@dataclass(slots=True)
class Stretch:
    """A condition was on in [start, stop) [h]; a `running` one may go on."""

    start: int
    stop: int
    running: bool
    level: int


def stretches(values: Mapping[int, float], least: int) -> list[Stretch]:
    """When the level was at least `least`, by the mean of each hour that is known."""
    found: list[Stretch] = []
    episode: list[tuple[int, int, bool]] = []  # hour, level, whether it is busy
    quiet, high, before = 0, False, None
    for hour in sorted(values):
        value = values[hour]
        if before is not None and hour - before > SILENCE:
            found += _cut(episode, least, over=True)
            episode, quiet, high = [], 0, False
        busy = value > OFF[0]
        quiet = 0 if busy else quiet + 1
        if quiet > BRIDGE:
            found += _cut(episode, least, over=True)
            episode = []
        if value > LEVELS[1]:
            high = True
        elif value <= OFF[1]:
            high = False
        if episode or value > LEVELS[0]:
            episode.append((hour, 2 if high else 1, busy))
        before = hour
    return found + _cut(episode, least, over=False)


def _cut(episode: list[tuple[int, int, bool]], least: int, *, over: bool) -> list[Stretch]:
    """The stretches of one episode, which ends with its last busy hour."""
    while episode and not episode[-1][2]:
        episode = episode[:-1]
    out: list[Stretch] = []
    going: Stretch | None = None
    for hour, level, _ in episode:
        if level >= least and going is None:
            going = Stretch(hour, hour + 1, running=False, level=level)
        elif level < least and going is not None:
            going.stop = hour
            out.append(going)
            going = None
        if going is not None:
            going.level = level
    if going is not None:
        going.stop, going.running = episode[-1][0] + 1, not over
        out.append(going)
    return out


@dataclass(slots=True)
class Channel:
    """What is known of one channel: means by hour, the newest live reading, up to when backfills had a hand [h]."""

    values: dict[int, float] = field(default_factory=dict)
    live: float | None = None
    filled: float | None = None


@dataclass(slots=True)
class Seen:
    """How one condition stands now."""

    on: bool
    sighted: bool
    quiet: int
    edge: int
    level: int
    ours: bool
    stretch: Stretch | None


def condition(channel: Channel, found: Sequence[Stretch], least: int, now: float) -> Seen:
    """How the condition, of which these stretches were `found`, stands at `now`."""
    newest = found[-1] if found else None
    if newest is None:
        return Seen(on=False, sighted=False, quiet=0, edge=-1, level=0, ours=True, stretch=None)
    hours = sorted(hour for hour in channel.values if hour >= newest.stop - 1)
    edge = max([newest.stop, *(hour + 1 for hour in hours)])
    quiet = 0
    for hour in reversed([hour for hour in hours if hour >= newest.stop]):
        if channel.values[hour] > OFF[least - 1]:
            break
        quiet += 1
    calm = any(channel.values[hour] <= OFF[least - 1] for hour in hours if hour >= newest.stop)
    fresh = channel.live is not None and abs(now - channel.live) <= FRESH
    judged = channel.live is not None and edge >= int(channel.live - FRESH + 2e-9)
    ours = channel.filled is None or channel.filled <= edge - 1
    return Seen(newest.running and not calm, fresh and judged, quiet, edge, newest.level, ours, newest)


@dataclass(slots=True)
class Alarm:
    """One alarm on any of some conditions (channel, level)."""

    conditions: Sequence[tuple[str, int]]
    confirm: int
    state: str = "ok"
    onset: int | None = None
    seen: int | None = None
    level: int = 0

    def look(self, channels: Mapping[str, Channel], now: float) -> tuple[str, str]:
        """The state before and after."""
        before = self.state
        self.state = self._next(channels, now)
        return before, self.state

    def _next(self, channels: Mapping[str, Channel], now: float) -> str:
        found = [stretches(channels[name].values, least) for name, least in self.conditions]
        each = [
            condition(channels[name], some, least, now)
            for some, (name, least) in zip(found, self.conditions, strict=True)
        ]
        spans = [span for some in found for span in some]
        lasting = self.state == "pending" or self.state in ON
        whole = together(spans)
        begun = whole[-1][0] if whole else None
        since = begun if self.onset is None else self.onset if begun is None else min(self.onset, begun)
        # It is about the conditions that it stands on, or stood on since it is on.
        ours = [one for one in each if one.stretch is not None and since is not None and one.stretch.stop > since]
        sure = [one for one in ours if one.on and one.sighted]
        lost = [one for one in ours if not one.sighted and one.quiet < CLEAR]
        on = bool(sure) or any(one.on for one in lost[:1])
        holds = bool(sure) and sure[0].ours
        held = holds and begun is not None and sure[0].edge - begun >= self.confirm
        calm = 0 if on or not ours else min(one.quiet for one in ours)
        if lasting:
            assert self.onset is not None
            assert self.seen is not None
            stands = any(start < self.seen and stop > self.onset for start, stop in whole)
        after = self.state
        if self.state in ON:
            if not stands:
                after = "withdrawn"
            elif calm >= CLEAR:
                after = "ok"
            elif not sure and (lost or not any(one.sighted for one in ours)):
                after = "blind"
            else:
                after = "firing" if sure else "recovering"
        elif self.state == "pending":
            if not stands or calm > 0:
                after = "ok"
            elif held:
                after = "firing"
        elif holds:
            after = "firing" if held else "pending"
        self._remember(
            after, lasting=lasting, on=on, begun=begun, edge=sure[0].edge if sure else (lost or each)[0].edge
        )
        return after

    def _remember(self, after: str, *, lasting: bool, on: bool, begun: int | None, edge: int) -> None:
        if after != "pending" and after not in ON:
            self.onset = self.seen = None
        elif not lasting:
            self.onset, self.seen = begun, edge
        elif on and begun is not None:
            assert self.onset is not None
            self.onset, self.seen = min(self.onset, begun), edge


def together(spans: Sequence[Stretch]) -> list[tuple[int, int]]:
    """When any of `spans` was on."""
    out: list[tuple[int, int]] = []
    for span in sorted(spans, key=lambda one: one.start):
        if out and span.start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], span.stop))
        else:
            out.append((span.start, span.stop))
    return out

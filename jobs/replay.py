"""`greenwatch replay`: what is kept of the spools, read again by the decoders of today."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from analytics import spool
from analytics.spool import Place, Record
from analytics.store import spools
from analytics.store.connection import Connection, Deadlock
from analytics.store.observations import Counts
from jobs import console, doors
from jobs.drain import MOST, Guarded, Saver, cursor

EXAMPLE = "Example: greenwatch replay --door hj212 --reason 'no parameter has the code a24036' --dry-run"

_TRIES = 3
#: Records in one reading: a compressed segment is unpacked from its beginning each time.
_READ = 20_000
_FORMATS = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Which records: received in [since, until), said by `source`, those that have rejects whose reason begins so."""

    since: datetime | None = None
    until: datetime | None = None
    source: str | None = None
    reason: str | None = None

    def covers(self, record: Record) -> bool:
        """Whether `record` was received in the period."""
        early = self.since is not None and record.received < self.since
        return not early and (self.until is None or record.received < self.until)


@dataclass(slots=True)
class Again:
    """What came of a replay: records read, rejects that were taken back first, and what became of each cell."""

    records: int = 0
    rejects: int = 0
    damages: int = 0
    counts: Counts = field(default_factory=Counts)


def main(
    door: Annotated[
        str | None, typer.Option("--door", help="A way in, as hj212. Default: all that are kept here.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=_FORMATS, help="Received at or after, with an offset.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=_FORMATS, help="Received before, with an offset.")
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only what this source says.")] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Only records that have rejects whose reason begins with this.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would become of each cell, undo it all.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Read what is kept of the spools again: what was rejected may come in now, what is in comes in no second time."""
    if not any((door, since, until, source, reason)):
        raise typer.BadParameter("say which: --door, --since, --until, --source or --reason")
    names = here() if door is None else [_known(door)]
    if not names:
        raise console.NotAsAsked(f"no spool lies in {doors.folder('')}")
    ask = Ask(since, until, source, reason)
    found: dict[str, Again] = {}
    with console.store(dsn) as conn:
        for name in names:
            found[name] = replay(conn, doors.folder(name), name, ask, trial=dry_run)
    if as_json:
        print(json.dumps({name: asdict(item) for name, item in found.items()}))
    else:
        console.show(_table(found, dry_run=dry_run))
    if damages := sum(item.damages for item in found.values()):
        console.people.print(f"{damages:,} stretches of the segments are damaged; they were passed over")


def here() -> list[str]:
    """The doors of which a spool lies on this machine."""
    folder = doors.folder("")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [name for name in names if name.partition("@")[0] in doors.DOORS]


def _known(door: str) -> str:
    if door.partition("@")[0] not in doors.DOORS:
        raise typer.BadParameter(f"no door {door!r}; there are {', '.join(doors.DOORS)}", param_hint="--door")
    if not doors.folder(door).is_dir():
        raise console.NotAsAsked(f"no spool of {door} lies here: {doors.folder(door)} is not there")
    return door


def replay(
    conn: Connection, folder: Path, door: str, ask: Ask, *, trial: bool = False, decode: doors.Decode | None = None
) -> Again:
    """What came of the records in `folder` that `ask` asks for, up to the cursor: what is behind it is yet to come.

    A pack of records a transaction: its rejects are taken back, it is saved again, what is still wrong is a reject
    again. Killed anywhere, each is in or out, and it may be asked once more (law 7).
    """
    again = Again()
    upto = cursor(conn, door)
    if upto is None:
        return again
    if trial:
        try:
            with conn.transaction(force_rollback=True):
                _all(conn, folder, door, ask, upto, again, trial=True, decode=decode)
        except Deadlock:
            raise console.NotAsAsked("others are writing these series now: try the dry run again") from None
    else:
        _all(conn, folder, door, ask, upto, again, trial=False, decode=decode)
    return again


def _all(
    conn: Connection,
    folder: Path,
    door: str,
    ask: Ask,
    upto: Place,
    again: Again,
    *,
    trial: bool,
    decode: doors.Decode | None,
) -> None:
    reason = ask.reason or ""
    units = merged(door, spools.refused(conn, door, reason, ask.source))
    saver = Saver(door, again=True, trial=trial, source=ask.source, decode=decode)
    guard = Guarded(door, saver, trial=trial)
    for pack in packs(folder, upto, units, ask, again):
        for attempt in range(_TRIES + 1):
            saver.counts = guard.refused = Counts()
            try:
                with conn.transaction():
                    gone = spools.withdraw(conn, pack.batches, reason)
                    guard(conn, pack.records)
            except Deadlock:
                if trial or attempt == _TRIES:
                    raise
            else:
                again.records += len(pack.records)
                again.rejects += gone
                again.counts += saver.counts + guard.refused
                break


@dataclass(slots=True)
class Unit:
    """Records from `first` to `last` (both are theirs), and the batches with rejects that stand on them."""

    first: Place
    last: Place
    batches: list[int]


def merged(door: str, batches: Sequence[tuple[int, str]]) -> list[Unit]:
    """Units of `batches` (id, origin), in order: what was saved together is read together."""
    found = []
    for number, origin in batches:
        first, _, last = origin.removeprefix(f"{door} ").partition(" to ")
        try:
            found.append(Unit(Place.parse(first), Place.parse(last or first), [number]))
        except ValueError:  # of another making
            continue
    units: list[Unit] = []
    for unit in sorted(found, key=lambda unit: unit.first):
        if units and unit.first <= units[-1].last:
            units[-1].last = max(units[-1].last, unit.last)
            units[-1].batches += unit.batches
        else:
            units.append(unit)
    return units


@dataclass(frozen=True, slots=True)
class Pack:
    """Records that are saved in one transaction, and the batches whose rejects they take the place of."""

    records: list[Record]
    batches: Sequence[int] = ()


def packs(folder: Path, upto: Place, units: Sequence[Unit], ask: Ask, again: Again) -> Iterator[Pack]:
    """The records up to `upto` that `ask` asks for: those of a unit whole, if any of them is asked for.

    A unit that is not whole any more, since a segment was deleted or is damaged, keeps its rejects.
    """
    at = spool.earliest(folder, ask.since)
    for unit in [*units, None]:
        if unit is None and ask.reason is not None:
            return
        if unit is not None and ask.reason is not None:
            at = max(at, Place(unit.first.segment, 0))
        end, inside = upto if unit is None else unit.last, list[Record]()
        while at < end:
            found = spool.read(folder, at, _READ, upto=end)
            again.damages += len(found.damages)
            if found.place is None or found.place == at:
                break
            at = found.place
            inside += [record for record in found.records if unit is not None and record.place >= unit.first]
            if ask.reason is None:
                outside = [record for record in found.records if unit is None or record.place < unit.first]
                asked = [record for record in outside if ask.covers(record)]
                yield from (Pack(asked[first : first + MOST]) for first in range(0, len(asked), MOST))
        if unit is not None and any(map(ask.covers, inside)):
            whole = inside[0].place == unit.first and inside[-1].place == unit.last
            whole = whole and inside[-1].number - inside[0].number == len(inside) - 1
            yield Pack(inside, unit.batches if whole else ())


def _table(found: dict[str, Again], *, dry_run: bool) -> Table:
    table = Table(title="would become (dry run, nothing changed)" if dry_run else None, box=None, pad_edge=False)
    table.add_column("door")
    names = list(asdict(Counts()))
    for name in ("records", *names, "taken back"):
        table.add_column(name, justify="right", no_wrap=True)
    for door, item in found.items():
        figures = (item.records, *asdict(item.counts).values(), item.rejects)
        table.add_row(door, *(f"{value:,}" for value in figures))
    return table

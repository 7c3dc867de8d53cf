"""Bytes of a file to what it says. Everything wrong with it comes back at once, each with its line."""

import csv
import io
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from functools import partial

from analytics import crops, derivation
from analytics.crops import Land
from analytics.derivation import Kind
from analytics.parameters import Parameter
from analytics.store.errors import Nonsense
from analytics.store.register import devices, emitters, headers, nodes, pulls, values
from analytics.store.register.draft import STATION, Draft, Entry
from analytics.store.register.headers import Path, Positions
from analytics.store.register.model import FACTS, NO_SECRETS, ZONE, Problem, Secrets, refuse

#: Bytes a file may have: a registry of a hundred thousand series has a tenth of it.
LIMIT = 64 * 1024 * 1024

SERIES = ("parameter", "position", "statistic", "cadence")
COLUMNS = ("station", *FACTS, *SERIES)
ZONE_COLUMNS = ("zone", *ZONE)
MEMBER = "member:"


def read(
    raw: bytes,
    name: str,
    parameters: Mapping[str, Parameter],
    standards: Collection[str],
    land: Land | None = None,
    kinds: Mapping[str, Kind] | None = None,
    secrets: Secrets = NO_SECRETS,
    connectors: Mapping[str, str] | None = None,
) -> Draft:
    """What the file `name` says, its problems beside it. Raises `Nonsense` where it cannot be read at all.

    `land` are the covers, soils and methods that exist, `kinds` what can be derived; those of the package where none
    are given; `secrets` are those of the environment; `connectors` the services that can be asked.
    """
    if len(raw) > LIMIT:
        raise Nonsense(f"{name} is larger than {LIMIT // 1024**2} MiB: register it in parts, nothing was written")
    suffix = name.lower().rpartition(".")[2]
    if suffix not in ("toml", "csv"):
        raise Nonsense(f"{name} is neither .toml nor .csv, nothing was written: name it by what it is")
    draft = Draft(name, parameters, standards, land or crops.load(), derivation.load() if kinds is None else kinds)
    draft.secrets, draft.connectors = secrets, connectors or {}
    if suffix == "toml":
        _read_toml(draft, _decode(raw, name, ("utf-8",)))
    else:
        _read_csv(draft, _decode(raw, name, ("utf-8", "gb18030")))
    if not len(draft.rows) and not draft.problems:
        nouns = (
            "a [[station]], [[source]], [[authority]], [[adoption]], [[zone]], [[derivation]], [[device]], [[node]], "
            "[[pull]] or [[emitter]]"
        )
        what = nouns if suffix == "toml" else "a row"
        draft.refuse(1, f"the file is empty: it needs {what}")
    return draft


def _decode(raw: bytes, name: str, encodings: tuple[str, ...]) -> str:
    bom = raw.startswith(b"\xef\xbb\xbf")
    body = raw[3:] if bom else raw
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        # Whoever writes Chinese in GB18030 hardly ever makes valid UTF-8; a few bad bytes among many good ones are
        # a damaged UTF-8 file, which would come out as other Chinese words.
        guess = body.decode("utf-8", "replace")
        broken = guess.count("\ufffd")
        damaged = bom or sum(letter > "\u07ff" for letter in guess) - broken > broken
        line = body[: error.start].count(b"\n") + 1
        if damaged or "gb18030" not in encodings:
            refuse(name, [Problem(line, f"byte {body[error.start]:#04x} is not UTF-8: save the file as UTF-8")])
        try:
            text = body.decode("gb18030")
        except UnicodeDecodeError as other:
            line = body[: other.start].count(b"\n") + 1
            refuse(name, [Problem(line, "the text is neither UTF-8 nor GB18030: save the file as UTF-8")])
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        refuse(name, [Problem(line, "a NUL is no text (is it UTF-16?): save the file as UTF-8")])
    return text


def _read_toml(draft: Draft, text: str) -> None:
    text = text.replace("\r\n", "\n")
    try:
        content = tomllib.loads(text)
    except RecursionError:
        draft.refuse(1, "TOML: brackets are nested too deeply")
        return
    except ValueError as error:  # also an integer of thousands of digits, which is no TOMLDecodeError
        found = re.search(r" \(at line ([0-9]+), column [0-9]+\)$", str(error))
        line = int(found[1]) if found else text.rstrip("\n").count("\n") + 1
        draft.refuse(line, f"TOML: {str(error).removesuffix(found[0]) if found else error}")
        return
    positions = headers.scan(text)
    nouns = {"source": _source, "station": _station, "authority": _authority, "adoption": _adoption, "zone": _zone}
    nouns |= {"derivation": _derivation, "device": _device, "node": _node, "pull": _pull, "emitter": _emitter}
    for key in content:
        if key not in nouns:
            draft.unknown(positions.line((key,)) if (key,) in positions.lines else _first(positions, key), key, nouns)
    for noun, note in nouns.items():
        for path, record in _tables(draft, positions, (), noun, content.get(noun, [])):
            note(draft, positions, path, record)


def _first(positions: Positions, key: str) -> int:
    """The first line of anything below the unknown `key`."""
    return min((line for path, line in positions.lines.items() if path[0] == key), default=1)


def _tables(
    draft: Draft, positions: Positions, path: Path, key: str, found: object
) -> Iterator[tuple[Path, Mapping[str, object]]]:
    """The tables of an array, each with its path; notes where it is none."""
    dotted = ".".join(str(part) for part in (*path, key) if isinstance(part, str))
    if not isinstance(found, list):
        draft.refuse(positions.line((*path, key)), f"{key!r} must be tables: write [[{dotted}]] above each of them")
        return
    for number, record in enumerate(found):
        here = (*path, key, number)
        if isinstance(record, dict):
            yield here, record
        else:
            draft.refuse(positions.line(here), f"{key!r} must be tables, not {values.shown(record)}")


def _entry(positions: Positions, path: Path, record: Mapping[str, object], *others: str) -> Entry:
    """`record` without the tables in it, which are `others`."""

    def line(key: str) -> int:
        return positions.line((*path, key) if key else path)

    return Entry({key: value for key, value in record.items() if key not in others}, line)


def _station(draft: Draft, positions: Positions, path: Path, record: Mapping[str, object]) -> None:
    code = draft.station(_entry(positions, path, record, "membership", "memberships", "series"))
    _both(draft, positions.line(path), record)
    shorthand = record.get("membership", {})
    if isinstance(shorthand, dict):
        for kind, place in shorthand.items():
            line = positions.line((*path, "membership", kind))
            draft.member(code, Entry({"kind": kind, "place": place}, partial(_same, line)))
    else:
        draft.refuse(positions.line((*path, "membership")), "'membership' must be a table: kind = \"place\"")
    for here, member in _tables(draft, positions, path, "memberships", record.get("memberships", [])):
        draft.member(code, _entry(positions, here, member))
    for here, series in _tables(draft, positions, path, "series", record.get("series", [])):
        draft.series(code, _entry(positions, here, series))


def _same(line: int, _key: str) -> int:
    return line


def _both(draft: Draft, line: int, said: Collection[str]) -> None:
    for one, other in (("longitude", "latitude"), ("latitude", "longitude")):
        if one in said and other not in said:
            draft.refuse(line, f"{one} without {other}: a point needs both")


def _source(draft: Draft, positions: Positions, path: Path, record: Mapping[str, object]) -> None:
    draft.source(_entry(positions, path, record))


def _authority(draft: Draft, positions: Positions, path: Path, record: Mapping[str, object]) -> None:
    fallback = record.get("fallback")
    other = None
    if isinstance(fallback, dict):
        other = _entry(positions, (*path, "fallback"), fallback)
    elif fallback is not None:
        draft.refuse(positions.line((*path, "fallback")), 'fallback must be a table: { position = "", cadence = "1h" }')
        return
    draft.authority(_entry(positions, path, record, "fallback"), other)


def _adoption(draft: Draft, positions: Positions, path: Path, record: Mapping[str, object]) -> None:
    draft.adoption(_entry(positions, path, record))


def _zone(draft: Draft, positions: Positions, path: Path, record: Mapping[str, object]) -> None:
    draft.zone(_entry(positions, path, record))


def _device(draft: Draft, positions: Positions, path: Path, record: Mapping[str, object]) -> None:
    parts = _parts(draft, positions, path, record, devices.PARTS)
    devices.note(draft, _entry(positions, path, record, *devices.PARTS), parts)


def _node(draft: Draft, positions: Positions, path: Path, record: Mapping[str, object]) -> None:
    parts = _parts(draft, positions, path, record, nodes.PARTS)
    nodes.note(draft, _entry(positions, path, record, *nodes.PARTS), parts)


def _pull(draft: Draft, positions: Positions, path: Path, record: Mapping[str, object]) -> None:
    pulls.note(draft, _entry(positions, path, record))


def _emitter(draft: Draft, positions: Positions, path: Path, record: Mapping[str, object]) -> None:
    _both(draft, positions.line(path), record)
    emitters.note(draft, _entry(positions, path, record))


def _parts(
    draft: Draft, positions: Positions, path: Path, record: Mapping[str, object], names: Collection[str]
) -> dict[str, Entry]:
    """The tables `names` inside `record`."""
    parts = {}
    for key in names:
        found = record.get(key)
        if isinstance(found, dict):
            parts[key] = _entry(positions, (*path, key), found)
        elif found is not None:
            draft.refuse(positions.line((*path, key)), f'{key} must be a table: write {key} = {{ code = "..." }}')
    return parts


def _derivation(draft: Draft, positions: Positions, path: Path, record: Mapping[str, object]) -> None:
    tables: dict[str, Mapping[str, object]] = {}
    for key, example in (
        ("inputs", 'inputs = { temperature = { cadence = "10m" } }'),
        ("given", "given = { base = 8 }"),
    ):
        found = record.get(key, {})
        if not isinstance(found, dict):
            draft.refuse(positions.line((*path, key)), f"{key} must be a table: write {example}")
            return
        tables[key] = found
    inputs = {}
    for role, found in tables["inputs"].items():
        if not isinstance(found, dict):
            line = positions.line((*path, "inputs", role))
            draft.refuse(line, f'{role} must be a table: write {role} = {{ position = "", cadence = "1h" }}')
            return
        inputs[role] = _entry(positions, (*path, "inputs", role), found)
    given = _entry(positions, (*path, "given"), tables["given"])
    draft.derivation(_entry(positions, path, record, "inputs", "given"), inputs, given)


def _read_csv(draft: Draft, text: str) -> None:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line, columns = 1, None
    try:
        while True:
            line = reader.line_num + 1
            cells = [cell.strip() for cell in next(reader)]
            if not any(cells):
                continue
            if columns is None:
                columns = _header(draft, line, cells)
                note = _zone_row if "zone" in columns else _row
                if "zone" not in columns and "station" not in columns:
                    return
            elif len(cells) != len(columns):
                draft.refuse(line, f"the row has {len(cells)} cells, the header {len(columns)}")
            else:
                note(draft, line, {column: cell for column, cell in zip(columns, cells, strict=True) if cell})
    except StopIteration:
        return
    except csv.Error as error:
        hint = " (a quote was opened and never closed)" if "unexpected end" in str(error) else ""
        draft.refuse(line, f"CSV: {error}{hint}; the lines after it were not looked at")


def _header(draft: Draft, line: int, cells: list[str]) -> list[str]:
    """The columns, an unknown one under a name that no row uses; notes what is wrong with them."""
    columns = [cell.lower() for cell in cells]
    known = ZONE_COLUMNS if "zone" in columns else (*COLUMNS, f"{MEMBER}<kind>")
    for number, column in enumerate(columns):
        if column in columns[:number]:
            draft.refuse(line, f"column {column!r} is there twice")
        elif column.startswith(MEMBER) and "zone" not in columns:
            try:
                values.kind(column.removeprefix(MEMBER))
            except values.Bad as bad:
                draft.refuse(line, f"column {column!r}: the kind {bad}")
        elif column not in known:
            draft.unknown(line, column, known, "column")
    if "station" not in columns and "zone" not in columns:
        draft.refuse(
            line, "there is no column 'station' (or 'zone'); the header is the first line, its names apart by commas"
        )
    return columns


def _zone_row(draft: Draft, line: int, cells: Mapping[str, str]) -> None:
    """Notes the zone of a row; an empty cell is not in `cells`."""
    known = {key: cells[key] for key in cells if key in ZONE_COLUMNS}
    if "zone" in known:
        draft.zone(Entry(known, partial(_same, line)))
    else:
        draft.refuse(line, "the row names no zone")


def _row(draft: Draft, line: int, cells: Mapping[str, str]) -> None:
    """Notes the station, the memberships and the series of a row; an empty cell is not in `cells`."""
    at = partial(_same, line)
    facts: dict[str, object] = {"code" if key == "station" else key: cells[key] for key in cells if key in COLUMNS}
    code = None
    if "code" in facts:
        code = draft.station(Entry({key: facts[key] for key in facts if key in STATION}, at))
    else:
        draft.refuse(line, "the row names no station")
    _both(draft, line, cells)
    for column, place in cells.items():
        kind = column.removeprefix(MEMBER)
        if kind != column and not _is_bad(kind):
            draft.member(code, Entry({"kind": kind, "place": place}, at))
    series = {key: cells[key] for key in SERIES if key in cells}
    if "parameter" in series:
        draft.series(code, Entry(series, at))
    elif series:
        draft.refuse(line, f"{', '.join(series)} without a parameter")


def _is_bad(kind: str) -> bool:
    """Whether the header was refused for it already."""
    try:
        values.kind(kind)
    except values.Bad:
        return True
    return False

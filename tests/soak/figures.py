"""What a part measured: figures with their targets, kept in one JSON file and shown as one table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number. `most` or `least` is the target it is held against, if it has one."""

    name: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def held(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.least is None and self.most is None:
            return None
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def target(self) -> str:
        """The target in words, empty where there is none."""
        parts = [f">= {shown(self.least)}" if self.least is not None else ""]
        parts += [f"<= {shown(self.most)}" if self.most is not None else ""]
        return " ".join(part for part in parts if part)


@dataclass(slots=True)
class Outcome:
    """What a part gives: its figures, notes on how they were made, and the single measurements behind them."""

    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def add(
        self, name: str, value: float, unit: str = "", *, least: float | None = None, most: float | None = None
    ) -> None:
        """Nothing; one more figure."""
        self.figures.append(Figure(name, value, unit, least, most))


def shown(value: float) -> str:
    """`value` with as many digits as say something."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def record(outcome: Outcome, began: str, seconds: float, code: str) -> dict[str, Any]:
    """`outcome` as it is kept: `code` is the digest of the code it was measured on."""
    figures = [
        {name: value for name, value in asdict(figure).items() if value is not None}
        | ({} if figure.held is None else {"held": figure.held})
        for figure in outcome.figures
    ]
    kept = [{**figure, "value": float(f"{figure['value']:.6g}")} for figure in figures]
    return {
        "began": began,
        "seconds": round(seconds, 1),
        "code": code,
        "figures": kept,
        "notes": outcome.notes,
        "details": outcome.details,
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Nothing; `path` holds `content`, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    fresh.rename(path)


def show(content: Mapping[str, Any], names: Sequence[str], out: Console) -> int:
    """Number of targets missed; prints the table of the parts `names`."""
    machine = ", ".join(f"{name} {value}" for name, value in content["machine"].items())
    dirty = ", with changes that are not committed" if content["dirty"] else ""
    table = Table(title=f"soak of {content['commit']}{dirty}", caption=machine, pad_edge=False)
    for name, side in (("part", "left"), ("figure", "left"), ("value", "right"), ("unit", "left"), ("target", "left")):
        table.add_column(
            name, justify="right" if side == "right" else "left", overflow="fold", no_wrap=name != "figure"
        )
    table.add_column("")
    missed = 0
    for name in names:
        part = content["parts"].get(name)
        if part is None:
            continue
        table.add_section()
        for number, kept in enumerate(part["figures"]):
            figure = Figure(**{key: value for key, value in kept.items() if key != "held"})
            held = {None: "", True: "[green]held[/]", False: "[bold red]MISSED[/]"}[figure.held]
            missed += figure.held is False
            first = f"{name} ({part['seconds']:,.0f} s)" if number == 0 else ""
            table.add_row(first, figure.name, shown(figure.value), figure.unit, figure.target, held)
    out.print(table)
    for name in names:
        for note in content["parts"].get(name, {}).get("notes", []):
            out.print(f"{name}: {note}", style="dim")
    return missed

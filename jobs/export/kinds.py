"""What can be exported, and what each kind says of a past time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from analytics.store.connection import Connection
from jobs.export.ask import Ask
from jobs.export.entered import export_corrections
from jobs.export.issued import export_advice, export_forecasts
from jobs.export.judged import export_assessments, export_episodes
from jobs.export.measured import export_averages, export_observations, export_scores, export_verdicts

Pages = Callable[[Connection, Ask], Iterator[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows page by page; and how a past time is told, "" where it cannot be."""

    pages: Pages
    past: str


_KNOWN = "what was known then"
_AGAIN = "made again of what was known then, as if all of it had been settled"
_SEEN = "as it stood in the store then: what people saw"

KINDS: Mapping[str, Kind] = {
    "observations": Kind(export_observations, _KNOWN),
    "verdicts": Kind(export_verdicts, _AGAIN),
    "averages": Kind(export_averages, _AGAIN),
    "scores": Kind(export_scores, ""),
    "assessments": Kind(export_assessments, _SEEN),
    "episodes": Kind(export_episodes, _SEEN),
    "forecasts": Kind(export_forecasts, _SEEN),
    "advice": Kind(export_advice, _SEEN),
    "corrections": Kind(export_corrections, _KNOWN),
}

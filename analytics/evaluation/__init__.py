"""How good a detector is on series whose anomalies are known: scorers of frames, and faults injected where none are.

A scorer reads rows of `SCORED`, in the order of their time within each series. `label` is null where nobody judged,
`score` where the detector could not; 1.0 is the line. Labels are read here and nowhere else: nothing is fitted to them.

events.py       what a duty station lives through: events found, false alarms, delay
nab.py          the score of the Numenta Anomaly Benchmark
vus.py          the volume under the surface of precision and recall, as TSB-AD has it: no line at all
figures.py      all of these of a set, in one row
labelled.py     labelled readings as anybody may give them; sets.py: the shared sets
injection.py    faults and events of eight kinds, injected into a real series
"""

from collections.abc import Mapping

import polars as pl

from analytics.frames import TIME

SCORED: Mapping[str, pl.DataType] = {
    "station": pl.String(),
    "series": pl.String(),
    "time": TIME,
    "label": pl.Boolean(),
    "score": pl.Float64(),
}

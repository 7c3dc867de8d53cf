"""A hint as a sentence that says what it stands on, in both languages."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import polars as pl

from analytics.hints import signature
from analytics.hints.lags import Arrival
from analytics.hints.winds import FROM, STILL, UNKNOWN
from analytics.parameters import Parameter
from analytics.texts import Language, choose
from jobs.hints.reading import local
from jobs.hints.words import SENTENCES

#: What chance does as well in more cases than this is not told: of people's clocks, of which several are looked at,
#: and of a lag.
CLOCK, LAG = 0.01, 0.05
#: Sectors that are told.
SECTORS = 3


class Name(NamedTuple):
    """What a table calls a thing."""

    title: str
    title_zh: str = ""

    def said(self, language: Language) -> str:
        """The name in that language."""
        return choose(self.title, self.title_zh, language)


class Words(NamedTuple):
    """A key of `SENTENCES` and what fills it in, which may be words and names."""

    key: str
    values: Mapping[str, Any]

    def said(self, language: Language) -> str:
        """The sentence; of both languages one under the other."""
        if language is Language.both:
            return f"{self.said(Language.en)}\n{self.said(Language.zh)}"
        words = {
            name: value.said(language) if isinstance(value, Words | Name) else value
            for name, value in self.values.items()
        }
        english, chinese = SENTENCES[self.key]
        return (english if language is Language.en else chinese).format(**words)

    @property
    def facts(self) -> dict[str, str]:
        """`reason` and `reason_zh`, for JSON."""
        return {"reason": self.said(Language.en), "reason_zh": self.said(Language.zh)}


def named(row: Mapping[str, Any], key: str = "code") -> Name:
    """A station or an emitter by its name and its titles."""
    title, title_zh = (row[name] for name in ("title", "title_zh"))
    return Name(f"{row[key]} {title}".strip(), f"{row[key]} {title_zh or title}".strip())


def point(direction: float) -> Words:
    """That direction [°] as one of eight points."""
    return Words(f"point_{round(direction / 45) % 8}", {})


def head(
    station: Mapping[str, Any], parameter: Parameter, times: pl.Series, line: float | None, percentile: float
) -> Words:
    """What was looked at: hours of a station, and what is high."""
    first, last = (local(time, station["offset"]) for time in (times.min(), times.max()))  # type: ignore[arg-type]
    values = {"start": first, "stop": last, "hours": times.len(), "line": line or 0.0, "percentile": percentile}
    title = Name(parameter.title, parameter.title_zh)
    return Words("head", {"station": named(station), "name": title, "unit": parameter.unit, **values})


def sectors(table: pl.DataFrame) -> Iterator[tuple[dict[str, Any], Words]]:
    """The sectors of `winds.SECTORS` from where it is high most surely, then what came without a wind."""
    from_there = table.filter(pl.col("wind") == FROM, pl.col("high") > 0)
    for row in from_there.sort("sure", "sector", descending=[True, False]).head(SECTORS).to_dicts():
        yield row, Words("sector", {"point": point(row["sector"]), **row})


def still(table: pl.DataFrame) -> Words:
    """What came with no wind, and with one that is not known."""
    values: dict[str, int] = {}
    for wind in (STILL, UNKNOWN):
        row = table.filter(wind=wind).row(0, named=True)
        values |= {wind: row["count"], f"{wind}_high": row["high"]}
    return Words("still", values)


def candidates(found: pl.DataFrame, emitters: pl.DataFrame) -> Iterator[tuple[dict[str, Any], Words]]:
    """The rows of `candidates.CANDIDATES` of one series, as they are ranked."""
    rows = found.join(emitters.select("emitter", "title", "title_zh"), on="emitter", maintain_order="left")
    for rank, row in enumerate(rows.to_dicts(), start=1):
        key = "emitter" if row["p"] is not None else "emitter_few"
        values = row | {"rank": rank, "emitter": named(row, "emitter"), "point": point(row["bearing"])}
        fact = {name: value for name, value in row.items() if name not in ("series", "title", "title_zh")}
        yield fact, Words(key, values)


def signatures(table: pl.DataFrame) -> Iterator[tuple[dict[str, Any], Words]]:
    """The rows of `signature.SIGNATURES` that chance would hardly make, and in which there is more on the whole."""
    for row in table.filter(pl.col("p") <= CLOCK, pl.col("ratio") > 1).to_dicts():
        unit = Words("weeks" if row["signature"] == signature.WEEKDAY else "days", {})
        words = {"what": Words(f"clock_{row['signature']}", {}), "unit": unit, "p": max(row["p"], 0.001)}
        yield row, Words("clock", row | words)


def hot(row: Mapping[str, Any], parameter: Parameter) -> Words:
    """A row of `grid.HOT` with the facts of its station."""
    times = {name: local(row[name], row["offset"]) for name in ("since", "last", "peak_time", "expires")}
    state = "blind" if row["blind"] else "on" if row["on"] else "over"
    values = {**row, **times, "station": named(row), "unit": parameter.unit}
    return Words("hot", values | {"state": Words(state, {"last": times["last"]})})


def odour(found: pl.DataFrame, station: Mapping[str, Any], parameter: Parameter, reports: int) -> Words:
    """Whether it is high in the hours in which people smelled something; `found` is of one series."""
    rows = found.filter(lag=0).drop_nulls(["probability", "elsewhere", "p"]).to_dicts()
    facts = {"station": named(station), "name": Name(parameter.title, parameter.title_zh), "reports": reports}
    if not rows:
        return Words("odour_few", facts)
    return Words("odour" if rows[0]["p"] <= LAG and rows[0]["z"] > 0 else "no_odour", facts | rows[0])


def lag(found: Arrival, cause: Mapping[str, Any], effect: Mapping[str, Any]) -> Words:
    """Whether the effect follows its cause, and by how long."""
    if found.lag is None or found.p is None:
        return Words("few", {})
    values = {name: value for name, value in found._asdict().items() if name != "lags"}
    names = {"cause": named(cause), "effect": named(effect)}
    return Words("lag" if found.p <= LAG else "no_lag", values | names)

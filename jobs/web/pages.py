"""The pages people look at: the district, and a station with its charts. Rendered here; a script only redraws them."""

from datetime import datetime, timedelta, timezone
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from analytics import clocks
from analytics.store import clocks as kept_clocks
from analytics.store import registry, state
from analytics.store.connection import Connection
from analytics.synthetic import PREFIX
from analytics.texts import Language, choose, text
from jobs import board, console, traces
from jobs.web.inflow import inflow
from jobs.web.problems import Refused
from jobs.web.site import site

#: What a page shows of a long list; the rest is counted. The lists beside the tiles are shorter.
MOST, BESIDE = board.MOST, 8
#: Charts show so much of the past and of what is forecast.
PAST, AHEAD = timedelta(hours=48), timedelta(hours=72)
EPISODES = timedelta(days=30)
#: Clocks on the pages: the district's.
ZONE = timezone(timedelta(hours=8))
HEADERS = {
    "Cache-Control": "no-store",
    # Scripts and figures come from here and nowhere else; colours of classes stand in style attributes.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
}

_BOOK = board.Book.load()
_TEMPLATES = Environment(
    loader=PackageLoader("jobs.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def district(request: Request) -> Response:
    """The first page: how the district stands now."""
    language, home = _language(request), site(request)

    def made() -> str:
        with home.connection() as conn:
            found = board.board(conn, _BOOK, board.moment(conn, console.now()), language)
        came = inflow(home.exporter.snapshot, language, BESIDE)
        return _rendered("board.html", language, board=found, episodes=found.episodes, shown=BESIDE, inflow=came)

    return HTMLResponse(home.shared.page(("board", language), made), headers=HEADERS)


def station(request: Request) -> Response:
    """One station: a chart a quantity, its classes and episodes. 404 where there is none."""
    language = _language(request)
    with site(request).connection() as conn:
        now = board.moment(conn, console.now())
        row = _station(conn, request.path_params["code"])
        if row is None:
            message = text("unknown_station", language, code=request.path_params["code"])
            return HTMLResponse(_rendered("message.html", language, message=message), 404, HEADERS)
        series = registry.load_voices(conn).filter(station=row["station"])
        charts = traces.charts(conn, series, now, PAST, AHEAD)
        assessed = state.assessed(conn, now, row["station"]).to_dicts()
        episodes = state.episodes(conn, now - EPISODES, row["station"])
        zones = [zone for zone in state.advice(conn) if row["code"] in (zone["probe"], *zone["beside"])]
        delays = kept_clocks.load(conn, console.now() - clocks.SPAN, row["code"])
        clocked = clocks.estimate(delays, kept_clocks.steps(conn)).to_dicts()
    voices = series.filter(rank=0).sort("parameter", "position").to_dicts()
    quantities = [
        {
            "voice": v["voice"],
            "name": _BOOK.name(v["parameter"], language),
            "position": f"{v['position']} m" if v["position"] else "",
            "unit": _BOOK.unit(v["parameter"]),
        }
        for v in sorted(voices, key=lambda voice: board.rank(voice["parameter"]))
    ]
    facts = {
        "code": row["code"],
        "title": choose(row["title"] or row["code"], row["title_zh"], language),
        "synthetic": row["code"].startswith(PREFIX),
        "quantities": quantities,
        "assessed": [_classed(a, language) for a in assessed],
        "clocks": [_clocked(one, language) for one in clocked],
    }
    page = _rendered(
        "station.html",
        language,
        station=facts,
        charts={str(voice): chart for voice, chart in charts.items()},
        chart_words=_chart_words(language),
        episodes=episodes,
        shown=MOST,
        zones=zones,
    )
    return HTMLResponse(page, headers=HEADERS)


def charts(request: Request) -> Response:
    """The columns of a station's charts, by voice, as the page embeds them at first."""
    with site(request).connection() as conn:
        row = _station(conn, request.path_params["code"])
        if row is None:
            raise Refused("not-found", "no station has this code")
        series = registry.load_voices(conn).filter(station=row["station"])
        made = traces.charts(conn, series, board.moment(conn, console.now()), PAST, AHEAD)
    return JSONResponse({str(voice): chart for voice, chart in made.items()}, headers=HEADERS)


def _station(conn: Connection, code: str) -> dict[str, Any] | None:
    rows = registry.load_stations(conn).filter(code=code).to_dicts()
    return rows[0] if rows else None


def _clocked(row: dict[str, Any], language: Language) -> dict[str, Any]:
    """What is said of a clock by a source; `wrong` where somebody should look after it."""
    offset, drift = row["offset"], row["drift"]
    key = "clock_right" if not offset else "clock_ahead" if offset > 0 else "clock_behind"
    words = text(key, language, seconds=f"{abs(offset):,.0f}")
    if drift is not None:
        words = f"{words} · {text('clock_drift', language, seconds=f'{drift:+.1f}')}"
    return {"source": row["source"], "words": words, "wrong": abs(offset) > clocks.LIMIT}


def _classed(row: dict[str, Any], language: Language) -> dict[str, Any]:
    label, colour = _BOOK.grade(row, language)
    primary = ", ".join(_BOOK.name(name, language) for name in (row["primary"] or "").split(",") if name)
    return {**row, "colour": colour or "transparent", "label": label, "note": primary}


def _chart_words(language: Language) -> dict[str, str]:
    keys = {"readings": "chart_readings", "span": "chart_span", "hours": "chart_hours", "forecast": "chart_forecast"}
    words = {name: text(key, language) for name, key in keys.items()}
    return {**words, "band": "", "suspect": text("verdict_3", language), "fail": text("verdict_4", language)}


def _language(request: Request) -> Language:
    """As the address asks, else as the browser does."""
    asked = request.query_params.get("lang", "")
    if asked in (Language.en, Language.zh):
        return Language(asked)
    return Language.zh if request.headers.get("accept-language", "").lower().startswith("zh") else Language.en


def _rendered(template: str, language: Language, **values: Any) -> str:
    words = {
        "lang": language.value,
        "words": lambda key, **filled: text(key, language, **filled),
        "ago": lambda age: board.ago(age, language),
        "number": board.number,
        "clock": clock,
        "title": lambda row: choose(row["title"] or row["code"], row["title_zh"], language),
        "rule": lambda name: _BOOK.rule(name, language),
        "most": MOST,
        "beside": BESIDE,
    }
    return _TEMPLATES.get_template(template).render(**words, **values)


def clock(time: datetime) -> str:
    """Day and minute on the district's clock."""
    return time.astimezone(ZONE).strftime("%m-%d %H:%M")


ROUTES = [
    Route("/", district),
    Route("/station/{code:path}/charts.json", charts),
    Route("/station/{code:path}", station),
    Mount("/static", StaticFiles(packages=[("jobs.web", "static")])),
]

"""Dashboards drawn in a real browser with Grafana's own front-end libraries."""

import base64
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Route

from tests import panels
from tests.draw.answers import Answers, Asked

#: Nobody's: every request to it is answered in this process.
ADDRESS = "http://dashboards.test"
ZONE = "Asia/Shanghai"
WIDTH = 1600
#: Height of a unit of Grafana's grid, with its gap, and of what is above the panels.
UNIT, ABOVE = 38, 150
#: A dashboard is drawn within so long, on a busy machine. [s]
PATIENCE = 120
BLANK = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a dashboard looked like: its panels as the page has them, what it asked, what the browser complained of."""

    name: str
    theme: str
    panels: Sequence[Mapping[str, Any]]
    asked: Sequence[Asked]
    complaints: Sequence[str]
    picture: bytes = field(repr=False)

    @property
    def wrong(self) -> list[str]:
        """Every complaint, failed query and panel in error, in words."""
        found = [f"console: {each}" for each in self.complaints]
        found += [f"query {each.ref}: {each.error}" for each in self.asked if each.status != 200]
        for panel in self.panels:
            found += [f"{panel['title']}: {error}" for error in panel["errors"]]
            found += [f"{panel['title']}: broken"] * bool(panel["broken"])
            found += [f"{panel['title']}: no way to {href}" for href in panel["links"] if not leads(href)]
        return found

    @property
    def empty(self) -> list[str]:
        """Titles of the panels that say that they have no data."""
        return [str(panel["title"]) for panel in self.panels if panel["nothing"]]


def leads(href: str) -> bool:
    """Whether a link of a panel has all its variables, and goes to a dashboard there is, or out of Grafana."""
    if "${" in href or "$__" in href or "undefined" in href:
        return False
    return not href.startswith("/d/") or href.removeprefix("/d/").split("?")[0].split("/")[0] in panels.NAMES


@dataclass(frozen=True, slots=True)
class Studio:
    """A browser with the page in the folder `bundle`, and the answers to what it asks."""

    browser: Browser
    bundle: Path
    icons: Path
    answers: Answers

    def draw(self, name: str, theme: str = "dark", **values: str) -> Drawn:
        """The dashboard `name`; `values`: of its variables, `from`, `to`. Raises AssertionError where it never ends."""
        dashboard = panels.load(name)
        last = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
        with self._page(ABOVE + UNIT * last) as (page, complaints):
            first = len(self.answers.asked)
            others = [{key: found[key] for key in ("uid", "title", "tags")} for found in map(panels.load, panels.NAMES)]
            page.evaluate(
                "([dashboard, others, values, theme]) => window.greenwatch.show(dashboard, others, values, theme)",
                [dashboard, others, values, theme],
            )
            seen = self._settled(page)
            picture = page.evaluate("window.greenwatch.smaller", base64.b64encode(page.screenshot()).decode())
            return Drawn(name, theme, seen, self.answers.asked[first:], complaints, base64.b64decode(picture))

    def _settled(self, page: Page) -> list[dict[str, Any]]:
        give_up, quiet = time.monotonic() + PATIENCE, 0
        while True:
            page.wait_for_timeout(400)
            seen: list[dict[str, Any]] = page.evaluate("window.greenwatch.state()")
            # Twice in a row: between a variable's answer and the queries that wait for it nothing seems to wait.
            quiet = 0 if any(panel["waits"] for panel in seen) else quiet + 1
            if quiet == 3:
                return seen
            waiting = [panel["title"] for panel in seen if panel["waits"]]
            assert time.monotonic() < give_up, f"these wait for ever: {waiting}"

    @contextmanager
    def _page(self, height: int) -> Iterator[tuple[Page, list[str]]]:
        context = self.browser.new_context(
            viewport={"width": WIDTH, "height": height}, timezone_id=ZONE, locale="en-GB", reduced_motion="reduce"
        )
        complaints: list[str] = []
        try:
            page = context.new_page()
            page.set_default_timeout(1000 * PATIENCE)
            page.on("console", lambda said: complaints.append(_words(said)) if said.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.route("**/*", lambda route: self._serve(route))  # it marks what it is given, which has slots
            page.goto(f"{ADDRESS}/index.html", wait_until="load")
            yield page, complaints
        finally:
            context.close()

    def _serve(self, route: Route) -> None:
        path = route.request.url.removeprefix(ADDRESS).split("?")[0].lstrip("/")
        if path == "api/ds/query":
            status, body = self.answers.answer(json.loads(route.request.post_data or "{}"))
            route.fulfill(status=status, json=body)
        elif path.startswith("public/build/img/icons/"):
            file = self.icons / path.removeprefix("public/build/img/icons/")
            # Not all that a server has came with the library: those of buttons nobody presses in a picture are missing.
            route.fulfill(status=200, body=file.read_bytes() if file.exists() else BLANK, content_type="image/svg+xml")
        elif path.endswith(".woff2"):
            route.fulfill(status=200, body=b"", content_type="font/woff2")
        elif path in ("index.html", "bundle.js", "bundle.css"):
            file = self.bundle / path
            route.fulfill(status=200, body=file.read_bytes(), content_type=KINDS[file.suffix])
        elif path == "favicon.ico":
            route.fulfill(status=204)
        else:
            route.abort()


def _words(said: ConsoleMessage) -> str:
    return f"{said.text} ({said.location['url'].removeprefix(ADDRESS)})"

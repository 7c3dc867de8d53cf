"""Pages as people see them: a real Chromium on a real server."""

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests import tools

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with tools.browser() as opened:
        yield opened


#: How many different pictures the characters of a text make: of a font that lacks them all boxes are alike.
SHAPES = """text => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 40;
    const pen = canvas.getContext('2d');
    pen.font = '32px sans-serif';
    return new Set([...text].map(sign => {
        pen.clearRect(0, 0, 40, 40);
        pen.fillText(sign, 2, 34);
        return canvas.toDataURL();
    })).size;
}"""


def test_it_draws_chinese_and_units(browser: Browser) -> None:
    page = browser.new_page()
    for text in ("空气质量指数地表水噪声土壤", "µ³²°≤₂Ⅴ"):
        assert page.evaluate(SHAPES, text) == len(text)
    page.close()


def test_the_first_page_asks_nobody_else_and_has_no_error(browser: Browser, dsn: str, tmp_path: Path) -> None:
    [port] = tools.free_ports(1)
    home = f"http://127.0.0.1:{port}"
    serve = [sys.executable, "-m", "jobs.cli", "serve", "--port", port, "--dsn", dsn]
    with tools.served(serve, f"{home}/healthz", tmp_path / "serve.log"):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        asked: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        answer = page.goto(f"{home}/", wait_until="load")
        assert answer is not None
        assert answer.ok
        assert wrong == []
        assert {urlsplit(url).hostname for url in asked if not url.startswith("data:")} == {"127.0.0.1"}
        picture = tmp_path / "first.png"
        page.screenshot(path=picture, full_page=True)
        assert picture.stat().st_size > 5_000
        assert "Greenwatch" in page.title()
        page.close()

"""The pictures of the README, taken of a running demo: python -m tests.pictures URL DSN [FOLDER].

The page in a real Chromium, and the terminal as the same summary prints it.
"""

import sys
from contextlib import closing
from pathlib import Path

from rich.console import Console

from analytics.store import connection
from analytics.texts import Language
from jobs import board, console, summary
from tests import tools

FOLDER = Path(__file__).parents[1] / "dashboards" / "pictures"
COLUMNS = 150


def main(url: str, dsn: str, folder: Path = FOLDER) -> None:
    """Nothing; page.png, station.png and terminal.png are in `folder`."""
    folder.mkdir(exist_ok=True)
    with tools.browser() as browser:
        for name, path, height in (("page", "/?lang=en", 1180), ("station", "/station/SYN-A01?lang=zh", 1100)):
            page = browser.new_page(viewport={"width": 1500, "height": height})
            page.goto(url + path, wait_until="load")
            page.wait_for_timeout(1500)
            page.screenshot(path=folder / f"{name}.png")
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.set_content(f"<body style='margin:0'>{terminal(dsn)}</body>")
        page.locator("svg").screenshot(path=folder / "terminal.png")


def terminal(dsn: str) -> str:
    """What `greenwatch demo` ends with, as a drawing."""
    # Recorded, not shown: the width is the picture's.
    out = Console(width=COLUMNS, record=True, file=Path("/dev/null").open("w"), force_terminal=True)  # noqa: SIM115
    with closing(connection.connect(dsn)) as conn:
        seen = board.board(conn, board.Book.load(), board.moment(conn, console.now()), Language.en)
        for part in summary.now(seen, board.Book.load(), Language.en, COLUMNS):
            out.print(part)
    return out.export_svg(title="greenwatch demo")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]) if len(sys.argv) > 3 else FOLDER)

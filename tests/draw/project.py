"""Grafana's front-end libraries, from npm, and the page that draws a dashboard with them.

They are unpacked once below `tools` of Greenwatch's home, as `package-lock.json` pins them, and never shipped. What
cannot be installed is an error, never a skipped test.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from jobs.database import lock
from jobs.database.home import home
from tests.tools import say

HERE = Path(__file__).parent
PAGE = HERE / "page"
#: What the project is, and nothing else of this folder, decides whether an installation is still the one wanted. The
#: lock is npm's own; three X in a row there are letters of a checksum (safer-buffer), not a note of work left.
FILES = ("package.json", "package-lock.json")
#: Not the prepared scripts of packages: none is needed, and they would run whatever somebody else wrote.
INSTALL = ("npm", "ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
#: A package that Grafana's libraries name -> what stands for it.
ALIASES = {
    "react-router-dom-v5-compat": "react-router-dom",
    "react-custom-scrollbars-2": "./shims/scrollbars.jsx",
    "react/jsx-runtime": "./shims/jsx-runtime.js",
}
BUNDLE = (
    "--bundle",
    "--minify-whitespace",
    "--jsx=automatic",
    "--loader:.js=jsx",
    *(f"--loader:.{kind}=dataurl" for kind in ("svg", "png", "ttf", "woff2")),
    "--define:global=window",
    '--define:process.env.NODE_ENV="production"',
    "--log-level=warning",
)


def modules(folder: Path | None = None) -> Path:
    """`node_modules` with Grafana's libraries, made if it is not there yet (some 80 s, 650 MB)."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:12]
    goal = lock.folder((folder or home() / "tools") / f"grafana-libraries-{digest}")
    done = goal / "done"
    with lock.held(goal / ".lock", lambda: say("waiting for another installation of Grafana's libraries")):
        if not done.exists():
            say("Grafana's front-end libraries: about 650 MB, once")
            shutil.rmtree(goal / "node_modules", ignore_errors=True)
            for name in FILES:
                shutil.copy(HERE / name, goal / name)
            _run([*INSTALL], goal)
            done.touch()
    return goal / "node_modules"


def bundle(folder: Path, node_modules: Path | None = None) -> Path:
    """`folder`, with the page as a browser reads it: index.html, bundle.js, bundle.css."""
    found = node_modules or modules()
    names = [f"--alias:{name}={other}" for name, other in ALIASES.items()]
    esbuild = found / "esbuild/bin/esbuild"
    out = f"--outfile={folder / 'bundle.js'}"
    _run(["node", str(esbuild), "main.jsx", out, *names, *BUNDLE], PAGE, {"NODE_PATH": str(found)})
    shutil.copy(PAGE / "index.html", folder / "index.html")
    return folder


def _run(command: list[str], folder: Path, more: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=folder, env=os.environ | (more or {}), capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{' '.join(command[:2])} failed:\n{(done.stdout + done.stderr)[-3000:]}")

"""`python -m tests.audit`: what is known against the libraries of requirements.lock. Exit code 1 where anything is.

Always, from what lies here: each is pinned with hashes, installed as pinned, under a licence that lets it be used, not
given up by who made it, and not withdrawn by them when it was installed (PEP 592; pip says so into .venv/pip.log. Of
what the index has quarantined, PEP 792, it offers no file: the installation itself fails).

Of vulnerabilities it asks OSV, which has PyPA's and GitHub's advisories, for all at once. Where that cannot be reached
it says that they are NOT KNOWN, and never that there are none; GREENWATCH_AUDIT=strict makes that an error, too.
pip-audit is not used: where the index has no answer for a library (404) it passes over it, and ends with "No known
vulnerabilities found" all the same.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
from packaging.markers import Marker
from packaging.version import Version

REPOSITORY = Path(__file__).parents[1]
OSV = "https://api.osv.dev/v1/querybatch"
#: [s]; OSV answers for a hundred libraries within one.
PATIENCE = 10.0
#: Advisories that do not concern us: id -> why, and until when that is believed.
ACCEPTED: Mapping[str, tuple[str, date]] = {}

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)\s*(;(?P<marker>[^\\]*))?")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
#: Licences that let this be used and passed on as it is, by how they are called in metadata.
_FREE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla Public|LGPL|Lesser General Public|Unlicense|"
    r"Public Domain|0BSD|Zlib|CC0|BSL)",
    re.IGNORECASE,
)
_INACTIVE = "Development Status :: 7 - Inactive"


@dataclass(frozen=True)
class Pin:
    """A library of the lock."""

    name: str
    version: str
    hashes: int
    #: whether it is for this machine
    ours: bool


def pins(lock: str) -> list[Pin]:
    """What `lock` (as `uv pip compile --generate-hashes` writes it) pins. Raises `ValueError` naming a line that is
    none."""
    found = []
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        said = "\n".join(line for line in entry.splitlines() if not line.lstrip().startswith("#"))
        if not said.strip():
            continue
        pin = _PIN.match(said)
        if pin is None:
            raise ValueError(f"not pinned: {said.splitlines()[0]}")
        ours = pin["marker"] is None or Marker(pin["marker"].strip()).evaluate()
        found.append(Pin(pin["name"], pin["version"], len(_HASH.findall(said)), ours))
    return found


def here(found: Iterable[Pin]) -> list[str]:
    """What is wrong with the libraries as they are installed, in words."""
    out = []
    for pin in found:
        if not pin.hashes:
            out.append(f"{pin.name} {pin.version}: no hash, anybody's file would do")
        if not pin.ours:
            continue
        try:
            there = metadata.distribution(pin.name)
        except metadata.PackageNotFoundError:
            out.append(f"{pin.name} {pin.version}: not installed, run `make setup`")
            continue
        if Version(there.version) != Version(pin.version):
            out.append(f"{pin.name}: {there.version} is installed, {pin.version} is in the lock")
        out += [f"{pin.name} {pin.version}: {problem}" for problem in said_of_itself(there.metadata)]
    return out


def said_of_itself(facts: Any) -> list[str]:
    """What the metadata `facts` of a library say against it."""
    classes = facts.get_all("Classifier") or []
    licences = [line for line in classes if line.startswith("License ::")]
    said = " ".join([facts.get("License-Expression") or "", *licences, (facts.get("License") or "")[:500]])
    out = [] if _FREE.search(said) else [f"its licence is not known to be free: {said.strip()[:100] or 'none is said'}"]
    return [*out, "its makers have given it up"] if _INACTIVE in classes else out


def withdrawn(log: str) -> list[str]:
    """Libraries that pip, as it installed them, said their makers have withdrawn."""
    return [line.strip() for line in log.splitlines() if "yanked" in line.lower()]


def advisories(found: Iterable[Pin], address: str = OSV) -> dict[Pin, list[str]]:
    """The advisories about each of `found`, those of none left out. Raises `httpx.HTTPError`, `ValueError` where they
    cannot be known."""
    asked, out = list(found), {}
    queries = [{"package": {"name": pin.name, "ecosystem": "PyPI"}, "version": pin.version} for pin in asked]
    answer = httpx.post(address, json={"queries": queries}, timeout=PATIENCE).raise_for_status()
    results = answer.json()["results"] if answer.headers.get("content-type", "").startswith("application/json") else []
    if len(results) != len(asked):
        raise ValueError(f"{len(results)} answers for {len(asked)} libraries")
    for pin, result in zip(asked, results, strict=True):
        if ids := [str(item["id"]) for item in result.get("vulns", [])]:
            out[pin] = ids
    return out


def concerning(found: Mapping[Pin, list[str]], today: date) -> list[str]:
    """Of the advisories those that nobody has accepted until `today` or later, in words."""
    out = []
    for pin, ids in found.items():
        for id in ids:
            _, until = ACCEPTED.get(id, ("", date.min))
            if until < today:
                out.append(f"{pin.name} {pin.version}: {id} (https://osv.dev/vulnerability/{id})")
    return out


def main(address: str = OSV, *, strict: bool = False) -> int:
    """The exit code; what was found is on stdout."""
    found = pins((REPOSITORY / "requirements.lock").read_text(encoding="utf-8"))
    log = Path(sys.prefix) / "pip.log"
    wrong = here(found) + (withdrawn(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else [])
    unknown = ""
    try:
        wrong += concerning(advisories(found, address), datetime.now(UTC).date())
    except (httpx.HTTPError, ValueError, KeyError, json.JSONDecodeError) as problem:
        unknown = f"{type(problem).__name__}: {problem}"
    for line in wrong:
        print(f"audit: {line}")
    if unknown:
        print(f"audit: vulnerabilities are NOT KNOWN: OSV cannot be asked ({unknown})")
    else:
        print(f"audit: OSV was asked for {len(found)} libraries")
    print(f"audit: {len(found)} libraries, {len(wrong)} problems")
    return 1 if wrong or (unknown and strict) else 0


if __name__ == "__main__":
    sys.exit(main(strict=os.environ.get("GREENWATCH_AUDIT") == "strict"))

"""What all ways of the made-up district ask, and how they read it."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from analytics.synthetic import District
from jobs import console

Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same district.")]
Scale = Annotated[int, typer.Option(min=1, max=1000, help="So many districts of 40 stations side by side.")]
Episode = Annotated[
    str | None,
    typer.Option(
        "--episode",
        help="A heavy haze that has been on for 30 h at this time and goes on: 'now' is the end of the history.",
    ),
]
Like = Annotated[
    Path | None,
    typer.Option(
        "--like",
        exists=True,
        dir_okay=False,
        help="The district.toml of `simulate files`: the same district, from where its files end.",
    ),
]


def moment(text: str, option: str) -> datetime:
    """The time that `text` says, `now` is the clock's, in whole minutes. Raises `typer.BadParameter`."""
    if text == "now":
        return console.now().replace(second=0, microsecond=0)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter(f"{text!r} is no time: write 2026-11-21T20:00+08:00, or now", param_hint=option)
    return found.astimezone(UTC).replace(second=0, microsecond=0)


def district(seed: int, scale: int, episode: str | None, now: datetime) -> District:
    """The district that was asked for; `now` is what `--episode now` means."""
    at = None if episode is None else now if episode == "now" else moment(episode, "--episode")
    return District(seed, at, scale)


def continued(manifest: Path) -> tuple[District, datetime]:
    """The district of a folder of files, and where they end. Raises `NotAsAsked`."""
    try:
        said = tomllib.loads(manifest.read_text(encoding="utf-8"))
        return District(said["seed"], said.get("episode"), said["scale"]), said["stop"]
    except (OSError, ValueError, KeyError) as problem:
        raise console.NotAsAsked(f"{manifest} is not what `simulate files` writes: {problem!r}") from None

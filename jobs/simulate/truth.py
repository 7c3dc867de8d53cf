"""`greenwatch simulate truth`: what was, or will be, put into the made-up district."""

from datetime import timedelta
from typing import Annotated

import typer

from jobs.simulate.files import TIMES
from jobs.simulate.options import Episode, Like, Scale, Seed, continued, district, moment

EXAMPLE = "Example: greenwatch simulate truth --like /tmp/district/district.toml --to now"


def main(
    to: Annotated[str, typer.Option("--to", help="End of the window: a time with an offset, or now.")] = "now",
    begin: Annotated[
        str | None, typer.Option("--from", help="Its begin. Default: where the files of --like end; else 60 days ago.")
    ] = None,
    seed: Seed = 1,
    scale: Scale = 1,
    episode: Episode = None,
    like: Like = None,
) -> None:
    """Print what is put in in a window, cut to it, as CSV: also that of `simulate live`."""
    stop = moment(to, "--to")
    if like is not None:
        made, start = continued(like)
    else:
        made, start = district(seed, scale, episode, stop), stop - timedelta(days=60)
    if begin is not None:
        start = moment(begin, "--from")
    if start >= stop:
        raise typer.BadParameter(f"{start.isoformat()} is not before --to {stop.isoformat()}", param_hint="--from")
    typer.echo(made.truth(start, stop).write_csv(datetime_format=TIMES), nl=False)

"""`greenwatch simulate`: the made-up district, as files and as a live stream, through the public ways in."""

import typer

from jobs.simulate import devices, files, live, truth

app = typer.Typer(
    help="A made-up district: SYNTHETIC DATA 合成数据, measured nowhere. The same seed gives the same readings.",
    no_args_is_help=True,
)
app.command("files", epilog=files.EXAMPLE)(files.main)
app.command("live", epilog=live.EXAMPLE)(live.main)
app.command("devices", epilog=devices.EXAMPLE)(devices.main)
app.command("truth", epilog=truth.EXAMPLE)(truth.main)

"""Steps between readings as people write them."""

import typer


def seconds(text: str) -> int:
    """Seconds in `text`: 30s, 10m, 1h, 4h, 1d. Raises `typer.BadParameter`."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal() or not 0 < int(number) * units[unit] <= 31_622_400:
        raise typer.BadParameter(
            f"{text!r} is no step between readings: write 30s, 10m, 1h or 1d", param_hint="--cadence"
        )
    return int(number) * units[unit]

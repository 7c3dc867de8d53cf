"""A polar plot as SVG: how likely it is high, by the wind's direction and speed."""

import math
from xml.sax.saxutils import escape

import polars as pl

#: Radius of the plot, and what is left around it, in the units of the picture.
RADIUS, MARGIN = 200.0, 50.0
_POINTS = (("N 北", 0), ("E 东", 90), ("S 南", 180), ("W 西", 270))


def polar(surface: pl.DataFrame, title: str) -> str:
    """The picture of one series of `winds.SURFACE`: north is up, the wind's speed grows outwards, the darker the more
    often it is high; white where too few hours tell."""
    rows = surface.drop_nulls("probability").select("direction", "speed", "probability").rows()
    width, step = (_step(surface[name]) for name in ("direction", "speed"))
    fastest = max((speed for _, speed, _ in rows), default=0.0) + step / 2
    top = max((share for *_, share in rows), default=0.0) or 1.0
    side = 2 * (RADIUS + MARGIN)
    middle = side / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side:g} {side + 40:g}" font-family="sans-serif">',
        f'<title>{escape(title)}</title><rect width="100%" height="100%" fill="white"/>',
        f'<g transform="translate({middle:g} {middle:g})">',
    ]
    for direction, speed, share in rows:
        ring = [max(edge, 0.0) * RADIUS / fastest for edge in (speed - step / 2, speed + step / 2)]
        path = _wedge(direction - width / 2, direction + width / 2, *ring)
        words = f"{direction}°, {speed:g} m/s: {share:.0%}"
        parts.append(f'<path d="{path}" fill="{_colour(share / top)}"><title>{words}</title></path>')
    for part in (0.5, 1.0):
        where = f'x="4" y="{-part * RADIUS - 3:.1f}" font-size="11" fill="#555"'
        parts.append(f'<circle r="{part * RADIUS:g}" fill="none" stroke="#999" stroke-dasharray="3 3"/>')
        parts.append(f"<text {where}>{part * fastest:.1f} m/s</text>")
    for name, direction in _POINTS:
        x, y = _at(direction, RADIUS + MARGIN / 2)
        parts.append(f'<text x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle" font-size="16">{name}</text>')
    legend = f"{escape(title)}: 0 – {top:.0%}"
    parts.append(f'<text y="{middle + 20:g}" text-anchor="middle" font-size="13">{legend}</text></g></svg>')
    return "\n".join(parts) + "\n"


def _step(values: pl.Series) -> float:
    """By how much the points of the surface are apart; 1 where there is only one."""
    return float(values.unique().sort().diff().min() or 1)  # type: ignore[arg-type]  # a number


def _at(direction: float, radius: float) -> tuple[float, float]:
    turn = math.radians(direction)
    return radius * math.sin(turn), -radius * math.cos(turn)


def _wedge(first: float, last: float, inner: float, outer: float) -> str:
    (ax, ay), (bx, by) = _at(first, outer), _at(last, outer)
    (cx, cy), (dx, dy) = _at(last, inner), _at(first, inner)
    arc = f"M{ax:.1f} {ay:.1f}A{outer:.1f} {outer:.1f} 0 0 1 {bx:.1f} {by:.1f}"
    return arc + f"L{cx:.1f} {cy:.1f}A{inner:.1f} {inner:.1f} 0 0 0 {dx:.1f} {dy:.1f}Z"


def _colour(share: float) -> str:
    """From pale yellow to dark red."""
    return f"hsl({60 - 60 * share:.0f} 85% {92 - 60 * share:.0f}%)"

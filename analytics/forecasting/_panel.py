"""What a model of many stations reads at a time of issue: a panel of one parameter, and what is measured beside it.

Nothing here reads a row from an origin on, but for the calendar and for `ahead`, which was issued by then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import numpy.typing as npt

from analytics.forecasting._grid import last, mean_before
from analytics.forecasting._scale import Subject
from analytics.forecasting._settings import Settings
from analytics.skill import Array, Ints

Singles = npt.NDArray[np.float32]

_LAGS = (2, 3, 4, 6, 9, 12, 18, 24, 36, 48)
_MEANS = (3, 6, 12, 24, 72, 168, 720)
_CHANGES = (3, 6, 24)
#: So many rows back what the panel says on the whole, and its slope, has changed.
_BACK = (2, 4, 7)
_CALM = 1.5  # [m/s]
_WEEK = 168
#: Of the columns of a lead, so many first ones are the hour and the day.
_CLOCK = 7
#: So many neighbours are read; the weight of one falls to 1/e within so many km.
_NEIGHBOURS, _NEAR = 12, 20.0
_PLAIN = Subject("")
#: Rows of columns worked on at once: some hundred numbers each.
_PART = 60_000


Ahead = Callable[[Ints], Array]


@dataclass(frozen=True, slots=True)
class Panel:
    """`values` [hours, series] on their scale, from `start` on, whose zone is that of the clocks; NaN is a gap.

    `places` [series, 2] are east and north [km], NaN where unknown. `beside` has grids like `values` by name; wind as
    `wind_east` and `wind_north`, where it goes to, and `wind_speed` [m/s]. `ahead` tells by name, of any origins,
    [origins, leads, series]: what was issued for the leads of each by then. `free` are days on which nobody works.
    `subject` has the scale, so that what is off can be counted in units.
    """

    start: datetime
    values: Array
    places: Array
    beside: Mapping[str, Array] = field(default_factory=dict)
    ahead: Mapping[str, Ahead] = field(default_factory=dict)
    free: frozenset[date] = frozenset()
    subject: Subject = _PLAIN

    def parts(self, count: int) -> list[slice]:
        """`count` origins in parts of a bounded number of rows."""
        step = max(_PART // max(self.values.shape[1], 1), 1)
        return [slice(first, first + step) for first in range(0, count, step)]


def anchor(values: Array, origins: Ints, settings: Settings) -> Array:
    """[origins, leads, series] persistence damped towards the mean of each hour of the day, of the last `mean` hours.

    As damped persistence, which it is where the day has no wave; what differs from it changes slowly with the lead.
    NaN where fewer than `least` of these hours have a value, or the newest is older than `fresh`.
    """
    season, days = settings.season, settings.mean // settings.season
    rows = -(-len(values) // season) * season
    whole = np.full((rows, values.shape[1]), np.nan)
    whole[: len(values)] = values
    shape = (rows // season, season, values.shape[1])
    there = ~np.isnan(whole)
    totals, counts = (
        np.concatenate([np.zeros((1, *shape[1:])), np.cumsum(part.reshape(shape), axis=0)]).reshape(-1, shape[2])
        for part in (np.where(there, whole, 0.0), there.astype(np.float64))
    )
    middle = mean_before(values, origins, settings.mean, settings.least)

    def usual(at: Ints) -> Array:
        """[origins, series] the mean of the hour of the row `at` over the days before each origin."""
        stop = origins - 1 - (origins - 1 - at) % season + season  # the row after it in `totals`, which is a day ahead
        start = np.maximum(stop - days * season, at % season)
        count = counts[stop] - counts[start]
        mean = np.divide(totals[stop] - totals[start], count, out=np.full(count.shape, np.nan), where=count >= 3)
        return np.where(np.isnan(mean) | np.isnan(middle), middle, mean)

    value, age = last(values, origins, settings.fresh)
    hours = np.stack([usual(origins + hour) for hour in range(season)])  # [season, origins, series]
    back = np.nan_to_num(age).astype(np.int64)
    off = value - np.take_along_axis(hours, (-back % season)[None], axis=0)[0]
    leads = np.arange(settings.leads)
    kept = np.exp(-(leads[None, :, None] + age[:, None, :]) / settings.damping)
    return np.asarray(hours[leads % season].swapaxes(0, 1) + off[:, None, :] * kept)


def base(panel: Panel, origins: Ints, fresh: int) -> Singles:
    """[origins, series, columns] what is the same for every lead."""
    values = panel.values
    now, age = last(values, origins, fresh)
    shape = now.shape
    found = [now, age, *(now - _at(values, origins - lag) for lag in _LAGS)]
    found += [now - mean_before(values, origins, rows, max(rows // 4, 1)) for rows in _MEANS]
    found += [_spread(values, origins, rows) for rows in (24, 168)]
    middle = _mean(values)[:, None]
    city, _ = last(middle, origins, fresh)
    found += [np.broadcast_to(part, shape) for part in (city, _mean((now - city) ** 2)[:, None] ** 0.5)]
    found += [now - city, *(np.broadcast_to(city - _at(middle, origins - lag), shape) for lag in (2, 3, 6, 12, 24))]
    found += [np.broadcast_to(city - mean_before(middle, origins, rows, 1), shape) for rows in (6, 24, 168)]
    found += _around(panel, now, origins, fresh)
    found += _sloping(panel, now, origins, fresh)
    for name, grid in sorted(panel.beside.items()):
        here, _ = last(grid, origins, fresh)
        found += [here, *(here - _at(grid, origins - rows) for rows in _CHANGES)]
        whole, middle = _mean(here)[:, None], _mean(grid)[:, None]
        whole_of_it = [whole, *(whole - _at(middle, origins - rows) for rows in _BACK[:2]), *_slope(here, panel.places)]
        found += [mean_before(grid, origins, 24, 6), *(np.broadcast_to(part, shape) for part in whole_of_it)]
        if name == "wind_speed":
            found.append(_calm(grid, origins))
    return np.stack(found, axis=-1).astype(np.float32)


def at_leads(panel: Panel, origins: Ints, leads: Sequence[int], settings: Settings, known: Array) -> list[Singles]:
    """[origins, series, columns] what belongs to each of `leads`: its hour and day, what is now and what the same hour
    was, both beyond what the anchor has as `known` [origins, leads, series], and what is ahead."""
    ahead = [tell(origins) for _, tell in sorted(panel.ahead.items())]
    return [_at_lead(panel, origins, lead, settings, known[:, lead - 1], ahead) for lead in leads]


def _at_lead(
    panel: Panel, origins: Ints, lead: int, settings: Settings, known: Array, ahead: Sequence[Array]
) -> Singles:
    rows = origins + lead - 1
    hours = rows + panel.start.hour
    days = panel.start.date().toordinal() + hours // 24
    turn, year = 2 * np.pi * (hours % 24) / 24, 2 * np.pi * days / 365.2425
    free = np.isin(days, [day.toordinal() for day in panel.free])
    clock = [hours % 24, np.sin(turn), np.cos(turn), (days - 1) % 7, free, np.sin(year), np.cos(year)]
    found = [np.broadcast_to(np.asarray(part, dtype=np.float64)[:, None], known.shape) for part in clock]
    back = -(-lead // settings.season) * settings.season
    same = [_at(panel.values, rows - back - number * settings.season) - known for number in range(7)]
    week = _at(panel.values, rows - -(-lead // _WEEK) * _WEEK) - known
    found += [
        last(panel.values, origins, settings.fresh)[0] - known,
        same[0],
        same[1],
        _mean(np.stack(same, axis=-1)),
        week,
    ]
    for grid in ahead:
        found += [grid[:, lead - 1], *(_mean(grid[:, max(lead - span, 0) : lead], axis=1) for span in (6, 24, lead))]
    return np.stack(found, axis=-1).astype(np.float32)


def every_lead(common: Singles, by_lead: Sequence[Singles]) -> Singles:
    """[..., columns] all that `base` and `at_lead` of each lead give, the clock once."""
    return np.concatenate([common, by_lead[0], *(part[..., _CLOCK:] for part in by_lead[1:])], axis=-1)


def _at(values: Array, rows: Ints) -> Array:
    return np.where((rows >= 0)[:, None], values[np.maximum(rows, 0)], np.nan)


def _mean(values: Array, axis: int = -1) -> Array:
    """The mean over `axis` of what is there, NaN where nothing is."""
    there = ~np.isnan(values)
    total, count = np.where(there, values, 0.0).sum(axis=axis), there.sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _spread(values: Array, origins: Ints, rows: int) -> Array:
    """[origins, series] standard deviation of the `rows` before each origin."""
    middle = mean_before(values, origins, rows, rows // 4)
    return np.asarray(np.sqrt(np.maximum(mean_before(values**2, origins, rows, rows // 4) - middle**2, 0)))


def _around(panel: Panel, now: Array, origins: Ints, fresh: int) -> list[Array]:
    """What the nearest say beyond `now`: all of them by their distance, and those upwind."""
    apart, near, who = _nearest(panel.places)
    theirs = now[:, who]  # [origins, series, neighbours]
    found = [_weighted(theirs, near[None]) - now]
    if {"wind_east", "wind_north"} <= panel.beside.keys():
        east, north = (last(panel.beside[name], origins, fresh)[0] for name in ("wind_east", "wind_north"))
        # Where the wind comes from lies against where it goes.
        toward = -(east[..., None] * apart[..., 0] + north[..., None] * apart[..., 1])
        length = np.hypot(east, north)[..., None] * np.hypot(apart[..., 0], apart[..., 1])
        cosine = np.divide(toward, length, out=np.zeros_like(toward), where=length > 1e-9)
        found.append(_weighted(theirs, near * np.maximum(cosine, 0.0)) - now)
    return found


def _sloping(panel: Panel, now: Array, origins: Ints, fresh: int) -> list[Array]:
    """The slope of the panel and how it has changed; what the wind brings by it, where there is wind."""
    east, north = _slope(now, panel.places)
    found = [east, north]
    for rows in _BACK[1:]:
        before = _slope(_at(panel.values, origins - rows), panel.places)
        found += [east - before[0], north - before[1]]
    if {"wind_east", "wind_north"} <= panel.beside.keys():
        winds = [last(panel.beside[name], origins, fresh)[0] for name in ("wind_east", "wind_north")]
        found += [-(east * winds[0] + north * winds[1])]
    return [np.broadcast_to(part, now.shape) for part in found]


def _slope(values: Array, places: Array) -> tuple[Array, Array]:
    """[origins, 1] twice: how much more there is a kilometre to the east, and to the north, by least squares over the
    series; NaN where fewer than four are there, or they lie in a line."""
    there = np.isfinite(values) & np.isfinite(places).all(axis=1)
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)

    def mean(part: Array) -> Array:
        return np.asarray(np.where(there, part, 0.0).sum(axis=1, keepdims=True) / count)

    x, y = (np.broadcast_to(axis, values.shape) for axis in places.T)
    x, y, off = x - mean(x), y - mean(y), values - mean(values)
    xx, xy, yy, xv, yv = mean(x * x), mean(x * y), mean(y * y), mean(x * off), mean(y * off)
    whole = xx * yy - xy**2
    good = (there.sum(axis=1, keepdims=True) >= 4) & (whole > 1e-3 * xx * yy)
    east, north = (
        np.divide(part, whole, out=np.full(whole.shape, np.nan), where=good)
        for part in (xv * yy - yv * xy, yv * xx - xv * xy)
    )
    return east, north


def _nearest(places: Array) -> tuple[Array, Array, Ints]:
    """[series, neighbours, 2] how far east and north they lie, [series, neighbours] their weights, and who they are."""
    count = min(_NEIGHBOURS, len(places) - 1)
    who = np.zeros((len(places), count), dtype=np.int64)
    for number, place in enumerate(places):
        far = np.hypot(*(places - place).T)
        far[number] = np.inf
        who[number] = np.argsort(np.nan_to_num(far, nan=np.inf), kind="stable")[:count]
    apart = places[who] - places[:, None]
    near = np.exp(-np.hypot(apart[..., 0], apart[..., 1]) / _NEAR)
    return np.nan_to_num(apart), np.nan_to_num(near), who


def _weighted(theirs: Array, weights: Array) -> Array:
    """[origins, series] the mean of what neighbours say by `weights`, NaN where nobody is near."""
    there = ~np.isnan(theirs)
    total = (np.where(there, theirs, 0.0) * weights).sum(axis=-1)
    weight = (there * weights).sum(axis=-1)
    return np.asarray(np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 1e-9))


def _calm(speed: Array, origins: Ints) -> Array:
    """[origins, series] for how many hours, up to 72, it was calm right before each."""
    rows = np.arange(len(speed), dtype=np.int64)[:, None]
    blown = np.maximum.accumulate(np.where(speed < _CALM, -1, rows), axis=0)
    blown = np.concatenate([np.full((1, speed.shape[1]), -1), blown])[origins]
    return np.minimum(origins[:, None] - 1 - blown, 72).astype(np.float64)

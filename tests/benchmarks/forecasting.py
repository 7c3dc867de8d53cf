"""Forecasts with their test on the past, against fitting in full. `python -m tests.benchmarks.forecasting`."""

from importlib import import_module

import numpy as np

from analytics import forecasting
from analytics.forecasting import Array, Asked, Subject
from tests.benchmarks.common import measure, report

SETTINGS = forecasting.load().settings
SERIES, FITTED = 250, 5


def history(count: int) -> Array:
    """[hours, series] made-up PM2.5: a day's wave and an error that keeps 0.97 of itself, 2 % missing."""
    rng = np.random.default_rng(1)
    errors = np.zeros((SETTINGS.history, count))
    for hour in range(1, SETTINGS.history):
        errors[hour] = 0.97 * errors[hour - 1] + 0.3 * rng.normal(size=count)
    values = np.maximum(6 + np.sin(2 * np.pi * np.arange(SETTINGS.history)[:, None] / 24) + errors, 0) ** 2
    return np.where(rng.random(values.shape) < 0.02, np.nan, values)


def issue(values: Array, models: tuple[str, ...], batch: int = 100) -> None:
    """Everything that is issued of `values`, as the job does it."""
    subject = Subject("pm25", scale="root", floor=0, models=models)
    for start in range(0, values.shape[1], batch):
        some = values[:, start : start + batch]
        forecasting.issue(some, [Asked(number, subject, models) for number in range(some.shape[1])], SETTINGS)


def fitted(values: Array) -> None:
    """One full maximum likelihood fit of the same model a series, and no test of it."""
    sarimax = import_module("statsmodels.tsa.statespace.sarimax").SARIMAX
    angles = 2 * np.pi * np.arange(SETTINGS.window)[:, None] * np.arange(1, SETTINGS.harmonics + 1) / SETTINGS.season
    wave = np.concatenate([np.ones((SETTINGS.window, 1)), np.sin(angles), np.cos(angles)], axis=1)
    for column in np.sqrt(values[-SETTINGS.window :]).T:
        sarimax(column, exog=wave, order=(SETTINGS.order, 0, 0)).fit(disp=0, cov_type="none")


def main() -> None:
    """Prints two tables."""
    values = history(SERIES)
    issue(values[:, :1], ("harmonic",))  # the first one imports statsmodels
    report(
        "issue: forecast, backtest, gate and band",
        SERIES,
        "series",
        measure({"naive forecasts": lambda: issue(values, ()), "and harmonic": lambda: issue(values, ("harmonic",))}),
    )
    few = values[:, :FITTED]
    report(
        "harmonic: five fits with 57 origins, against one full fit with none",
        FITTED,
        "series",
        measure({"harmonic": lambda: issue(few, ("harmonic",)), "statsmodels, full fit": lambda: fitted(few)}),
    )


if __name__ == "__main__":
    main()

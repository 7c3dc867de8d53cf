"""Alertmanager's alert Watchdog (dashboards/rules/paging.yml), which is always on: who hears it knows that paging
works."""

from collections.abc import Mapping


def is_on(told: object) -> bool:
    """Whether Alertmanager's webhook `told` says that Watchdog is on."""
    alerts = told.get("alerts") if isinstance(told, Mapping) else None
    return isinstance(alerts, list) and any(map(_on, alerts))


def _on(alert: object) -> bool:
    labels = alert.get("labels") if isinstance(alert, Mapping) and alert.get("status") == "firing" else None
    return isinstance(labels, Mapping) and labels.get("alertname") == "Watchdog"

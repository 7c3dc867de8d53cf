"""What a scrape of /metrics brings, read by Prometheus's own parser."""

from prometheus_client.parser import text_string_to_metric_families

from analytics.metrics import Exporter

Key = tuple[str, frozenset[tuple[str, str]]]


def scrape(exporter: Exporter) -> dict[Key, float]:
    """Value of each sample by name and labels, read by Prometheus's own parser."""
    found: dict[Key, float] = {}
    for family in text_string_to_metric_families(exporter.page("")[0].decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def key(name: str, **labels: str) -> Key:
    return name, frozenset(labels.items())

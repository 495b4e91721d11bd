"""The text of `/metrics`, as Prometheus' own parser reads it."""

from collections.abc import Mapping

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

Labels = tuple[tuple[str, str], ...]


def families(text: str) -> Mapping[str, Metric]:
    """Return the metrics by name, of either format."""
    parse = parse_openmetrics if text.endswith("# EOF\n") else parse_plain
    found = list(parse(text))
    assert len({family.name for family in found}) == len(found), "a metric stands twice"
    return {family.name: family for family in found}


def samples(text: str) -> Mapping[tuple[str, Labels], float]:
    """Return all values, by name and labels."""
    found = [sample for family in families(text).values() for sample in family.samples]
    values = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in found}
    assert len(values) == len(found), "a sample stands twice"
    return values


def value(text: str, name: str, **labels: str) -> float | None:
    """Return one value; None if it is absent."""
    return samples(text).get((name, tuple(sorted(labels.items()))))

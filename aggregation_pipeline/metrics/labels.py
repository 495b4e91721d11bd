"""Values of labels. There is a bounded number of them: each one that Prometheus sees costs it memory for weeks."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily

# The label of all tables that have left the configuration.
OTHER: Final = "other"


def table_labels(names: Iterable[str]) -> Mapping[str, str]:
    """Return the label of each configured table: its name, without what would break the text."""
    # Prometheus reads no further than to a NUL, and UTF-8 has no lone surrogates.
    return {
        name: "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name) for name in names
    }


def by_table(
    name: str,
    help_text: str,
    labels: Mapping[str, str],
    values: Mapping[str, float | None],
    combine: Callable[[float, float], float] = float.__add__,
) -> GaugeMetricFamily:
    """Return a metric with a value for each table; None is left out.

    Args:
        name: the metric's.
        help_text: what it means.
        labels: of the configured tables. The others share one.
        values: by name of the table.
        combine: makes one value of those that share a label.
    """
    family = GaugeMetricFamily(name, help_text, labels=["table"])
    shown: dict[str, float] = {}
    for table, value in values.items():
        if value is not None:
            label = labels.get(table, OTHER)
            shown[label] = combine(shown[label], float(value)) if label in shown else float(value)
    for label, value in shown.items():
        family.add_metric([label], value)
    return family

"""All metrics of this process, as text for Prometheus."""

import functools
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Final

from prometheus_client import ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.metrics.source import Source, about_sources

OPENMETRICS: Final = "application/openmetrics-text"


class Metrics(Collector):
    """What is known now. Whoever wants more than that asks the sources and the probes before."""

    def __init__(self, sources: Sequence[Source], probes: Sequence[Probe]) -> None:
        self.sources = tuple(sources)
        self.probes = tuple(probes)
        # Memory, processor time and open files of this process. Without a registry it is only a collector.
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield _build()
        yield from _of_health(self.probes)
        yield from about_sources(self.sources)
        for source in self.sources:
            yield from source.families()
        yield from self._process.collect()


def encode(metrics: Metrics, accept: str) -> tuple[bytes, str]:
    """Return the text and its media type: OpenMetrics where `accept`, a header of HTTP, names it."""
    # The library reads versions and ways of escaping from the header too, and raises an error for some.
    wanted = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    write, media_type = choose_encoder(OPENMETRICS if OPENMETRICS in wanted else "")
    return write(metrics), media_type


@functools.cache
def _build() -> Metric:
    about = {"version": version("aggregation-pipeline"), "dagster": version("dagster")}
    return InfoMetricFamily(
        "aggregation_build", "The versions of what runs.", value={**about, "python": platform.python_version()}
    )


def _of_health(probes: Sequence[Probe]) -> Iterator[Metric]:
    works = GaugeMetricFamily(
        "aggregation_health_check_success",
        "Whether a dependency works, as GET /health says it: 1 or 0. required: without it nothing can be launched.",
        labels=["check", "required"],
    )
    age = GaugeMetricFamily(
        "aggregation_health_check_age_seconds", "For how long that has been known.", labels=["check"]
    )
    for probe in probes:
        outcome = probe.outcome()
        works.add_metric([probe.name, str(probe.required).lower()], float(outcome.problem is None))
        age.add_metric([probe.name], outcome.age)
    yield from (works, age)

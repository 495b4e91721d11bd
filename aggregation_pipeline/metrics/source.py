"""One source of metrics: collected in a thread of its own, by one collection at a time, and kept for ten seconds."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from aggregation_pipeline.health.probe import Probe

# For so long a collection is kept, good or bad.
KEPT_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Collection:
    """What a collection has found.

    Attributes:
        families: the metrics.
        ended: when it ended, in seconds since 1970.
        seconds: how long it took.
    """

    families: tuple[Metric, ...]
    ended: float
    seconds: float


class Source:
    """A source of metrics, which nobody has to wait for: it is asked as the dependencies of `/health` are.

    Attributes:
        name: its value of the label `source`.
    """

    def __init__(self, name: str, collect: Callable[[], Iterable[Metric]]) -> None:
        self.name = name
        self._collect = collect
        self._probe = Probe(f"metrics of {name}", self._find, kept_seconds=(KEPT_SECONDS, KEPT_SECONDS))
        self._last: Collection | None = None

    def ask(self) -> Future[None] | None:
        """Collect, unless that was done a moment ago; return what is done when it has ended, as `Probe.ask` does."""
        return self._probe.ask()

    @property
    def last(self) -> Collection | None:
        """The last collection that came to an end, however old it is."""
        return self._last

    def works(self) -> bool:
        """Return whether the last collection came to an end, and in time: whether what it found is up to date."""
        return self._probe.outcome().problem is None

    def families(self) -> Sequence[Metric]:
        """Return the metrics, and none where they would be old: a value that is missing misleads nobody."""
        return self._last.families if self._last is not None and self.works() else ()

    def _find(self) -> None:
        began = time.monotonic()
        families = tuple(self._collect())
        self._last = Collection(families, time.time(), time.monotonic() - began)


def about_sources(sources: Sequence[Source]) -> Iterator[Metric]:
    """Yield the metrics that say how well the collections go."""
    success = GaugeMetricFamily(
        "aggregation_collection_success",
        "Whether the metrics of a source are up to date: 1, or 0 if it failed or took too long. Then they are absent.",
        labels=["source"],
    )
    ended = GaugeMetricFamily(
        "aggregation_collection_timestamp_seconds",
        "When the metrics of a source were last collected, since 1970. Absent if never.",
        labels=["source"],
    )
    took = GaugeMetricFamily(
        "aggregation_collection_duration_seconds", "How long that collection took.", labels=["source"]
    )
    for source in sources:
        success.add_metric([source.name], float(source.works()))
        if (last := source.last) is not None:
            ended.add_metric([source.name], last.ended)
            took.add_metric([source.name], last.seconds)
    yield from (success, ended, took)

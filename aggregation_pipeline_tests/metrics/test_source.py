"""A source is collected by one collection at a time, is kept for a while, and shows nothing that is old."""

import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.metrics.exposition import Metrics, encode
from aggregation_pipeline.metrics.source import Source
from aggregation_pipeline_tests.metrics.parsed import value


class Counted:
    """Collects how often it has collected. What `wait` and `error` are set to happens before."""

    def __init__(self) -> None:
        self.times = self.running = self.most = 0
        self.free = threading.Event()
        self.free.set()
        self.error: Exception | None = None

    def __call__(self) -> Iterator[Metric]:
        self.running += 1
        self.most = max(self.most, self.running)
        self.free.wait(60)
        self.running -= 1
        if self.error is not None:
            raise self.error
        self.times += 1
        yield GaugeMetricFamily("times", "How often.", value=self.times)


def scrape(source: Source) -> str:
    """Ask as the endpoint does."""
    asking = source.ask()
    if asking is not None:
        asking.exception(60)
    return encode(Metrics([source], []), "")[0].decode()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How many seconds have passed besides."""
    passed, real = [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + passed[0])
    return passed


def test_what_was_collected_is_kept_for_ten_seconds(clock: list[float]):
    counted = Counted()
    source = Source("s", counted)
    assert [value(scrape(source), "times") for _ in range(5)] == [1] * 5
    clock[0] += 9
    assert value(scrape(source), "times") == 1
    clock[0] += 1.5
    assert value(scrape(source), "times") == 2


@pytest.mark.parametrize("error", [MirrorError("batch_jobs is away"), ValueError("secret"), KeyError()])
def test_a_collection_that_fails_shows_no_values_and_says_since_when(clock: list[float], error: Exception):
    counted = Counted()
    source = Source("s", counted)
    first = scrape(source)
    assert value(first, "aggregation_collection_success", source="s") == 1
    counted.error, clock[0] = error, 20
    text = scrape(source)
    assert value(text, "times") is None
    assert value(text, "aggregation_collection_success", source="s") == 0
    moment = value(first, "aggregation_collection_timestamp_seconds", source="s")
    assert moment == value(text, "aggregation_collection_timestamp_seconds", source="s")
    assert moment == pytest.approx(time.time(), abs=60)
    assert "secret" not in text
    # A failure is not asked anew at once either.
    counted.error = None
    assert value(scrape(source), "times") is None
    clock[0] += 10.5
    assert value(scrape(source), "times") == 2


def test_a_source_that_was_never_collected_says_so():
    text = encode(Metrics([Source("s", Counted())], []), "")[0].decode()
    assert value(text, "aggregation_collection_success", source="s") == 0
    assert "\naggregation_collection_timestamp_seconds{" not in text


def test_a_collection_that_hangs_is_one_thread_and_shows_nothing_old(clock: list[float]):
    counted = Counted()
    source = Source("s", counted)
    scrape(source)
    counted.free.clear()
    clock[0] = 20
    first = source.ask()
    asked = [source.ask() for _ in range(20)]
    assert all(each is first for each in asked), "all wait for one collection"
    clock[0] += 2.1
    assert [source.ask() for _ in range(20)] == [None] * 20
    text = encode(Metrics([source], []), "")[0].decode()
    assert value(text, "times") is None
    assert value(text, "aggregation_collection_success", source="s") == 0
    counted.free.set()
    assert first is not None
    first.result(60)
    assert (counted.most, counted.times) == (1, 2)
    assert value(scrape(source), "times") == 2


def test_two_who_scrape_at_once_share_one_collection():
    counted = Counted()
    source = Source("s", counted)
    counted.free.clear()
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(scrape(source))) for _ in range(8)]
    for thread in threads:
        thread.start()
    counted.free.set()
    for thread in threads:
        thread.join()
    assert [value(text, "times") for text in found] == [1] * 8

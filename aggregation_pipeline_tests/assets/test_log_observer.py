"""Whoever starts a run in this process sees its progress and its warnings, each warning once."""

import logging

import pytest
from dagster import DagsterLogManager

from aggregation_pipeline.assets import log_observer
from aggregation_pipeline.assets.log_observer import LogObserver, PacedLog
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline_tests.support.shop import DAYS, ORDERS, Shop, partition_range

MIN_ROWS = ORDERS.rstrip() + "\n        checks: {min_rows: 4, severity: warn}\n"


class RecordingObserver(SilentObserver):
    def __init__(self) -> None:
        self.progresses: list[tuple[str, str, int, int | None]] = []
        self.warnings: list[str] = []

    def progress(self, table: str, unit: str, done: int, total: int | None) -> None:
        self.progresses.append((table, unit, done, total))

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def run(shop: Shop, observer: RecordingObserver) -> None:
    job = build_definitions(shop.project(MIN_ROWS), observer).resolve_job_def("aggregate_daily_partitions_at_0200")
    assert job.execute_in_process(instance=shop.instance, tags=partition_range(DAYS[0], DAYS[2])).success


def test_the_observer_of_a_run_gets_rows_and_windows(shop: Shop):
    observer = RecordingObserver()
    run(shop, observer)
    assert [each for each in observer.progresses if each[1] == "windows"] == [
        ("orders", "windows", number, 3) for number in (1, 2, 3)
    ]
    assert ("orders", "detail", 3, 3) in observer.progresses


def test_a_warning_about_the_table_is_not_repeated_for_each_window(shop: Shop):
    observer = RecordingObserver()
    run(shop, observer)
    assert observer.warnings == [
        f"orders {DAYS[0]}: check min_rows failed (warn): 3 rows, at least 4 expected",
    ]


def test_two_runs_in_one_process_do_not_hear_of_each_other(shop: Shop):
    first, second = RecordingObserver(), RecordingObserver()
    run(shop, first)
    heard = len(first.progresses)
    run(shop, second)
    assert len(first.progresses) == heard
    assert second.progresses


def test_a_line_about_rows_says_which_shard_they_are_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(log_observer, "_SECONDS_BETWEEN_LINES", 0.0)
    log = DagsterLogManager.create([], instance=None)
    log.addHandler(caplog.handler)
    observer = LogObserver(log, PacedLog(log), "orders", "2026-11-20", SilentObserver(), warned=set())
    with caplog.at_level(logging.INFO):
        observer.rows("summary", 1, 1)
        observer.part("orders_03, 4 of 16 shards")
        observer.rows("detail", 7, 28)
        observer.part("")
        observer.rows("summary", 1, 1)
    first, second, third = (record.getMessage() for record in caplog.records)
    assert first.endswith(" a second")
    assert third.endswith(" a second")
    assert "detail: 7 of 28 (25%) rows read" in second
    assert second.endswith(", now of orders_03, 4 of 16 shards")

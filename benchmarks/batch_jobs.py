"""`batch_jobs`: how many finished runs one tick mirrors, compared with a run-status sensor as Dagster ships it."""

import functools
import logging
import time
from collections.abc import Callable, Sequence

from dagster import DagsterEventType, SensorDefinition

from aggregation_pipeline.automation.batch_jobs_sensors import build_sensors
from aggregation_pipeline.batch_jobs.repository import postgres_repository
from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, start_postgres
from aggregation_pipeline_tests.batch_jobs.test_mirror_speed import PLATFORMS, clone
from aggregation_pipeline_tests.support.runs import FakeTable, create, new_batch_jobs, open_instance, rows, tick
from aggregation_pipeline_tests.support.runs import run as run_tables
from benchmarks.data import Source
from benchmarks.measuring import Result
from benchmarks.registry import Plan

_RUNS = 1_000
_BENCH = f"{_RUNS:,} finished runs into batch_jobs"


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Measure a tick of each on the same storage. `rows` counts the mirrored runs; the target is 1,000 in two ticks."""
    # Dagster logs every event of every run to the terminal.
    logging.disable(logging.INFO)
    server = start_postgres(source.folder / "postgres", report=report, options=THROWAWAY_OPTIONS)
    try:
        for name in ("dagster_storage", "of_the_stock_sensor", "of_ours"):
            server.execute(f"CREATE DATABASE {name}")
        return _measure(server.url("dagster_storage"), server.url("of_the_stock_sensor"), server.url("of_ours"), report)
    finally:
        server.stop()
        logging.disable(logging.NOTSET)


def _measure(storage: str, for_stock: str, for_ours: str, report: Callable[[str], None]) -> list[Result]:
    stock = Result(_BENCH, "a stock run-status sensor, one tick", note="five in a tick, however many wait")
    ours = Result(_BENCH, "ours, the reconciler, two ticks", is_ours=True)
    with open_instance(storage) as instance:
        report(f"{_BENCH}: making the runs")
        clone(storage, run_tables(instance, [FakeTable(name, 10) for name in PLATFORMS]), _RUNS - 1)
        sensors = {sensor.name: sensor for sensor in _sensors(for_stock)}
        cursor = tick(sensors["internal_batch_jobs_success"], instance).cursor
        for _ in range(12):
            create(instance, [FakeTable("t0")], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS)
        began = time.monotonic()
        stock.rows = len(tick(sensors["internal_batch_jobs_success"], instance, cursor).dagster_run_reactions)
        stock.seconds = time.monotonic() - began
        report(f"{_BENCH}: reconciling")
        reconciler = next(sensor for sensor in _sensors(for_ours) if sensor.name == "internal_batch_jobs_reconcile")
        began = time.monotonic()
        first = tick(reconciler, instance)
        tick(reconciler, instance, first.cursor)
        ours.seconds = time.monotonic() - began
        ours.rows = len(rows(new_batch_jobs(for_ours)))
        ours.note = f"{ours.rows:,} of {_RUNS + 12:,} runs are in the table then"
    return [stock, ours]


def _sensors(url: str) -> Sequence[SensorDefinition]:
    return build_sensors(
        open_repository=functools.partial(postgres_repository, new_batch_jobs(url)),
        deployment="prod",
        platforms=PLATFORMS,
    )

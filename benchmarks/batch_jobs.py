"""`batch_jobs`: how many finished runs two ticks mirror, with idle and with busy processors."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final

from dagster import DagsterEventType, DagsterInstance, SensorDefinition

from aggregation_pipeline.automation.batch_jobs_sensors import build_sensors
from aggregation_pipeline.batch_jobs.repository import postgres_repository
from aggregation_pipeline_tests.batch_jobs.test_mirror_speed import PLATFORMS, clone
from aggregation_pipeline_tests.support.runs import FakeTable, create, new_batch_jobs, open_instance, rows, tick
from aggregation_pipeline_tests.support.runs import run as run_tables
from benchmarks.data import Source
from benchmarks.judging import Result, Target
from benchmarks.processor import Stopwatch
from benchmarks.registry import Plan
from benchmarks.storage import postgres

_CLONED: Final = 1_000
_OTHERS: Final = 12
_RUNS: Final = _CLONED + _OTHERS
_BENCH: Final = f"{_RUNS:,} finished runs into batch_jobs"


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Measure a tick of a stock run-status sensor, and two ticks of the reconciler, on the same storage."""
    with postgres(source, report) as new_database, open_instance(storage := new_database()) as instance:
        report(f"{_BENCH}: making the runs")
        clone(storage, run_tables(instance, [FakeTable(name, 10) for name in PLATFORMS]), _CLONED - 1)
        results = [_stock(instance, new_database())]
        report(f"{_BENCH}: reconciling with idle processors")
        results.append(_ours(instance, new_database(), "processors idle"))
        report(f"{_BENCH}: reconciling with busy processors")
        with _busy_processors():
            results.append(_ours(instance, new_database(), "all processors busy"))
        return results


def _stock(instance: DagsterInstance, url: str) -> Result:
    sensor = _sensor("internal_batch_jobs_success", url)
    cursor = tick(sensor, instance).cursor
    for _ in range(_OTHERS):
        create(instance, [FakeTable("t0")], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS)
    result = Result(_BENCH, "a stock run-status sensor, one tick")
    watch = Stopwatch()
    mirrored = len(tick(sensor, instance, cursor).dagster_run_reactions)
    result.add(**asdict(watch.spent()), runs=mirrored)
    result.note = f"{mirrored} runs, however many wait"
    return result


def _ours(instance: DagsterInstance, url: str, machine: str) -> Result:
    result = Result(
        _BENCH, f"ours, two ticks, {machine}", is_ours=True, targets=(Target("runs", _RUNS, at_least=True),)
    )
    sensor = _sensor("internal_batch_jobs_reconcile", url)
    watch = Stopwatch()
    first = tick(sensor, instance)
    tick(sensor, instance, first.cursor)
    spent = watch.spent()
    mirrored = len(rows(new_batch_jobs(url)))
    result.add(**asdict(spent), runs=mirrored)
    result.note = f"{mirrored:,} runs are in the table then"
    return result


@contextmanager
def _busy_processors() -> Iterator[None]:
    """Let a loop run for each processor."""
    count = len(os.sched_getaffinity(0))
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _sensor(name: str, url: str) -> SensorDefinition:
    sensors: Sequence[SensorDefinition] = build_sensors(
        open_repository=functools.partial(postgres_repository, new_batch_jobs(url)),
        deployment="prod",
        platforms=PLATFORMS,
    )
    return next(sensor for sensor in sensors if sensor.name == name)

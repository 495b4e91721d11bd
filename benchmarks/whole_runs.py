"""Whole runs through Dagster, each in a process of its own, with events and the row of batch_jobs in PostgreSQL."""

import gc
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from benchmarks.backfill import FIRST, LAST
from benchmarks.processor import rss_mb
from benchmarks.projects import project_variables, small_tables
from benchmarks.round_trips import calls_during

if TYPE_CHECKING:
    from dagster import DagsterEvent, DagsterInstance, Definitions, EventLogEntry

    from aggregation_pipeline.project import Project
    from aggregation_pipeline.runs.results import RunResult

_CONFIG = f"""
tables:
  whole: {{table: a_year, select_fields: ['*']}}
  by_day: {{table: a_year, select_fields: ['*'], backfill: {{partitions_per_run: all}},
            partition: {{column: created_at, every: day, start: {FIRST}}}}}
  rehearsal: {{table: a_year, select_fields: ['*'], where: id <= 1000}}
"""


def whole(address: dict[str, Any], url: str, folder: str) -> Callable[[], int]:
    """Run the table in one window."""
    from aggregation_pipeline.local.run import run_tables

    return _prepared(address, url, folder, lambda *parts: run_tables(*parts, tables=["whole"], formats=None))


def by_day(address: dict[str, Any], url: str, folder: str) -> Callable[[], int]:
    """Run the same rows with a window for each day, in one run."""
    from aggregation_pipeline.local.run import run_backfill

    return _prepared(
        address, url, folder, lambda *parts: run_backfill(*parts, table="by_day", first=str(FIRST), last=str(LAST))
    )


def small(
    address: dict[str, Any], url: str, folder: str, table: str, count: int
) -> Callable[[], Callable[[], dict[str, float]]]:
    """Run `count` small tables; report events and memory: what the process holds then, and what one more run adds.

    A process grows to the size that its largest run needs. What it keeps of a run shows in the next one.
    """
    run, instance = _small_run(address, url, folder, table, count)

    def held(run_id: str) -> dict[str, float]:
        gc.collect()
        grown = rss_mb()
        run()
        gc.collect()
        return {"grown_mb": grown, "kept_mb": rss_mb() - grown, "events": float(_events(instance, run_id))}

    def measured() -> Callable[[], dict[str, float]]:
        return partial(held, run())

    return measured


def many(
    address: dict[str, Any], url: str, folder: str, table: str, count: int, formats: str
) -> Callable[[], dict[str, float]]:
    """Run `count` small tables in these formats; report events and the memory of the process."""
    run, instance = _small_run(address, url, folder, table, count, formats)

    def measured() -> dict[str, float]:
        run_id = run()
        return {"grown_mb": rss_mb(), "events": float(_events(instance, run_id))}

    return measured


def small_counted(
    address: dict[str, Any], url: str, folder: str, table: str, count: int
) -> Callable[[], dict[str, float]]:
    """Run `count` small tables, and count what costs a round trip. Counting takes time, so its time says nothing."""
    run, _ = _small_run(address, url, folder, table, count)
    return lambda: calls_during(run)


def _small_run(
    address: dict[str, Any], url: str, folder: str, table: str, count: int, formats: str = "all"
) -> "tuple[Callable[[], str], DagsterInstance]":
    from aggregation_pipeline.local.run import run_tables

    os.environ |= project_variables(address, url, folder, small_tables(table, count), OUTPUT_FORMAT=formats)
    parts = _opened()
    run_tables(*parts, tables=["table_0"], formats=None)

    def run() -> str:
        result = run_tables(*parts, tables=None, formats=None)
        assert result.status == "completed", result
        return str(result.batch_job_id)

    return run, parts[2]


def _prepared(address: dict[str, Any], url: str, folder: str, work: "Callable[..., RunResult]") -> Callable[[], int]:
    os.environ |= project_variables(address, url, folder, _CONFIG, OUTPUT_FORMAT="csv,parquet")
    from aggregation_pipeline.local.run import run_tables

    parts = _opened()
    run_tables(*parts, tables=["rehearsal"], formats=None)

    def run() -> int:
        result = work(*parts)
        assert result.status == "completed", result
        return result.total_items

    return run


def _opened() -> "tuple[Project, Definitions, DagsterInstance]":
    from aggregation_pipeline.definitions import build_definitions
    from aggregation_pipeline.local.instance import open_instance
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    project = load_project(load_settings())
    return project, build_definitions(project), open_instance(project)


def job(address: dict[str, Any], url: str, folder: str, config: str, executor: str) -> Callable[[], Callable[[], int]]:
    """Run the job over all tables of `config` in every format, as a run worker does."""
    os.environ |= project_variables(address, url, folder, config, OUTPUT_FORMAT="all", EXECUTOR=executor)
    from dagster import DagsterInstance, execute_job
    from dagster._core.definitions.reconstruct import ReconstructableRepository

    repository = ReconstructableRepository.for_module("aggregation_pipeline.definitions", "defs")
    recon = repository.get_reconstructable_job("aggregate")
    recon.get_definition()
    instance = DagsterInstance.get()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

    def run() -> Callable[[], int]:
        with execute_job(recon, instance, run_config=quiet) as result:
            assert result.success
            return partial(_events, instance, result.run_id)

    return run


def events_again(address: dict[str, Any], url: str, folder: str, *, stock: bool) -> Callable[[], Callable[[], int]]:
    """Write the events of the run over days again, the lines of its log by an op that does nothing else.

    With `stock` they go to Dagster's own storage, otherwise to ours. Those that Dagster reports together, for the
    partitions of an asset, are reported together here.
    """
    from dagster import DagsterInstance, OpExecutionContext, job, op
    from dagster._core.events import DagsterEventBatchMetadata
    from dagster._core.instance import InstanceRef

    del address
    config = {"postgres_url": url}
    ours = {"module": "aggregation_pipeline.instance.storage", "class": "PostgresStorage", "config": config}
    overrides = {"storage": {"postgres": config} if stock else {"custom": ours}, "telemetry": {"enabled": False}}
    instance = DagsterInstance.from_ref(InstanceRef.from_dir(tempfile.mkdtemp(dir=folder), overrides=overrides))
    newest = max(instance.get_run_records(), key=lambda record: _events(instance, record.dagster_run.run_id))
    entries = instance.all_logs(newest.dagster_run.run_id)
    of_assets = str(uuid4())

    @op
    def log_again(context: OpExecutionContext) -> None:
        for entry in entries:
            if entry.dagster_event is None:
                context.log.log(entry.level, entry.user_message)

    @job
    def again() -> None:
        log_again()

    def run() -> Callable[[], int]:
        for number, events in enumerate(_of_assets(entries)):
            for event in events:
                batch = DagsterEventBatchMetadata(str(number), event is events[-1])
                instance.report_dagster_event(event, run_id=of_assets, batch_metadata=batch)
        result = again.execute_in_process(
            instance=instance, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        )
        return lambda: _events(instance, result.run_id) + _events(instance, of_assets)

    return run


def _of_assets(entries: "Sequence[EventLogEntry]") -> "list[list[DagsterEvent]]":
    """Return the plans and the materializations, those of one asset together."""
    from dagster import DagsterEventType

    groups: dict[tuple[Any, Any], list[DagsterEvent]] = {}
    for entry in entries:
        event = entry.dagster_event
        if event and event.event_type in (
            DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
            DagsterEventType.ASSET_MATERIALIZATION,
        ):
            groups.setdefault((event.event_type, event.asset_key), []).append(event)
    return list(groups.values())


def _events(instance: "DagsterInstance", run_id: str) -> int:
    return len(instance.all_logs(run_id))

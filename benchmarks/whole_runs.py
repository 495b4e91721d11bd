"""Whole runs through Dagster, each in a process of its own, with events and the row of batch_jobs in PostgreSQL."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from benchmarks.backfill import FIRST, LAST
from benchmarks.measuring import ROOT

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from aggregation_pipeline.local.results import RunResult

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


def _prepared(address: dict[str, Any], url: str, folder: str, work: "Callable[..., RunResult]") -> Callable[[], int]:
    _configure(address, url, folder, _CONFIG, OUTPUT_FORMAT="csv,parquet")
    from aggregation_pipeline.definitions import build_definitions
    from aggregation_pipeline.local.instance import open_instance
    from aggregation_pipeline.local.run import run_tables
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    project = load_project(load_settings())
    definitions = build_definitions(project)
    opened = open_instance(project)
    run_tables(project, definitions, opened, tables=["rehearsal"], formats=None)

    def run() -> int:
        result = work(project, definitions, opened)
        assert result.status == "completed", result
        return result.total_items

    return run


def job(address: dict[str, Any], url: str, folder: str, config: str, executor: str) -> Callable[[], int]:
    """Run the job over all tables of `config` in every format, as a run worker does."""
    _configure(address, url, folder, config, OUTPUT_FORMAT="all", EXECUTOR=executor)
    from dagster import DagsterInstance, execute_job
    from dagster._core.definitions.reconstruct import ReconstructableRepository

    repository = ReconstructableRepository.for_module("aggregation_pipeline.definitions", "defs")
    recon = repository.get_reconstructable_job("aggregate")
    recon.get_definition()
    instance = DagsterInstance.get()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

    def run() -> int:
        with execute_job(recon, instance, run_config=quiet) as result:
            assert result.success
            return len(instance.all_logs(result.run_id))

    return run


def _configure(address: dict[str, Any], url: str, folder: str, config: str, **variables: str) -> None:
    place = Path(tempfile.mkdtemp(dir=folder))
    (place / "aggregation.yaml").write_text(config, encoding="utf-8")
    (place / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    os.environ |= {
        "AGGREGATION_ENV_FILE": os.devnull,
        "AGGREGATION_CONFIG": str(place / "aggregation.yaml"),
        "DB_HOST": address["host"],
        "DB_PORT": str(address["port"]),
        "DB_USER": address["user"],
        "DB_NAME": address["database"],
        "DAGSTER_PG_URL": url,
        "DAGSTER_HOME": str(place),
        "STORAGE_DIR": str(place / "exports"),
        "TEMP_DIR": str(place / "temp"),
        "LOG_DIR": str(place / "logs"),
        **variables,
    }


def events_again(address: dict[str, Any], url: str, folder: str, *, stock: bool) -> Callable[[], int]:
    """Write the events of the run over days again, with an op that does nothing else.

    With `stock` they go to Dagster's own storage, otherwise to ours.
    """
    from dagster import DagsterEventType, DagsterInstance, OpExecutionContext, job, op
    from dagster._core.instance import InstanceRef

    del address
    config = {"postgres_url": url}
    ours = {"module": "aggregation_pipeline.instance.storage", "class": "PostgresStorage", "config": config}
    overrides = {"storage": {"postgres": config} if stock else {"custom": ours}, "telemetry": {"enabled": False}}
    instance = DagsterInstance.from_ref(InstanceRef.from_dir(tempfile.mkdtemp(dir=folder), overrides=overrides))
    newest = max(instance.get_run_records(), key=lambda record: _events(instance, record.dagster_run.run_id))
    entries = instance.all_logs(newest.dagster_run.run_id)

    # For the events that Dagster writes when it makes the run, one for each partition of each asset.
    planned = str(uuid4())

    @op
    def log_again(context: OpExecutionContext) -> None:
        for entry in entries:
            event = entry.dagster_event
            if event is None:
                context.log.log(entry.level, entry.user_message)
            elif event.is_step_materialization:
                context.log_event(event.step_materialization_data.materialization)

    @job
    def again() -> None:
        log_again()

    def run() -> int:
        for entry in entries:
            if entry.dagster_event and entry.dagster_event.event_type == DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                instance.report_dagster_event(entry.dagster_event, run_id=planned)
        result = again.execute_in_process(
            instance=instance, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        )
        return _events(instance, result.run_id) + _events(instance, planned)

    return run


def _events(instance: "DagsterInstance", run_id: str) -> int:
    return len(instance.all_logs(run_id))

"""Real Dagster runs of small assets that report what the tables of the pipeline report, on storage in PostgreSQL."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from dagster import (
    AssetCheckEvaluation,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    JobDefinition,
    MaterializeResult,
    PartitionsDefinition,
    SensorDefinition,
    SensorEvaluationContext,
    define_asset_job,
    in_process_executor,
    multi_asset,
)
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from aggregation_pipeline.batch_jobs.repository import PostgresRepository
from aggregation_pipeline.batch_jobs.table import ensure_table
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.runs import tags
from aggregation_pipeline.runs.asset_keys import export_path, table_path

FORMATS = ("json", "manifest")
JOB_TYPE = "data_collection"
# Dagster queues only runs that say which code location they came from, and offers only those to its sensors.
ORIGIN = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("aggregation_pipeline"), "__repository__")


@contextmanager
def open_instance(url: str) -> Iterator[DagsterInstance]:
    """Open a Dagster instance that stores in the PostgreSQL database at `url`, by the class that dagster.yaml names.

    Dagster's own opens a connection for each event: the server works longer on those than the test on the rest.
    """
    storage = {
        "module": "aggregation_pipeline.instance.storage",
        "class": "PostgresStorage",
        "config": {"postgres_url": url},
    }
    with tempfile.TemporaryDirectory() as folder:
        ref = InstanceRef.from_dir(folder, overrides={"storage": {"custom": storage}, "telemetry": {"enabled": False}})
        with DagsterInstance.from_ref(ref) as instance:
            yield instance


def new_batch_jobs(url: str) -> sa.Engine:
    """Create the table batch_jobs in a database, and return an engine for it."""
    engine = create_engine(url, application_name="aggregation test")
    ensure_table(engine)
    return engine


def metadata(table: str, platform: str, items: int, partition: str | None = None) -> dict[str, Any]:
    """Return the metadata of a manifest's materialization, as a table's op logs it for a window."""
    window = partition or "2026-11-20"
    uri = f"file:///exports/{table}/{window}/{table}.json"
    return {
        tags.TABLE_KEY: table,
        tags.PLATFORM_KEY: platform,
        tags.ITEMS_KEY: items,
        tags.WINDOW_KEY: window,
        tags.SECONDS_KEY: 0.25,
        tags.STAGE_SECONDS_KEY: {"read": 0.125, "render": 0.0625, "publish": 0.03125},
        tags.BYTES_KEY: items * 10,
        tags.ATTEMPT_KEY: 1,
        tags.FILES_KEY: [
            {
                "table": table,
                "format": "json",
                "dataset": "all",
                "uri": uri,
                "rows": items,
                "bytes": items * 10,
                "crc64": "1",
            }
        ],
    }


@dataclass(frozen=True)
class FakeTable:
    """One table of the pipeline. `action` runs in its op first, with the op's context, and may raise.

    `name` is that of its entry, where it is not the segment.
    """

    segment: str
    items: int = 1
    platform: str | None = None
    action: Callable[[Any], None] = field(default=lambda _context: None)
    partitions: PartitionsDefinition[str] | None = None
    name: str | None = None

    def asset(self) -> AssetsDefinition:
        keys = [
            AssetKey(path)
            for path in (table_path(self.segment), *(export_path(self.segment, name) for name in FORMATS))
        ]

        @multi_asset(
            name=f"aggregate_{self.segment}",
            specs=[AssetSpec(key, partitions_def=self.partitions) for key in keys],
            can_subset=True,
        )
        def op(context: AssetExecutionContext):
            self.action(context)
            for partition in context.partition_keys[:-1] if context.has_partition_key_range else []:
                manifest = AssetMaterialization(keys[-1], partition=partition, metadata=self._metadata(partition))
                context.log_event(manifest)
            last = context.partition_keys[-1] if context.has_partition_key else None
            for key in context.selected_asset_keys:
                yield MaterializeResult(asset_key=key, metadata=self._metadata(last) if key == keys[-1] else {})

        return op

    def _metadata(self, partition: str | None) -> dict[str, Any]:
        name = self.name or self.segment
        return metadata(name, self.platform or name, self.items, partition)


def job(tables: Sequence[FakeTable]) -> JobDefinition:
    definitions = Definitions(
        assets=[table.asset() for table in tables],
        jobs=[define_asset_job("aggregate", AssetSelection.all())],
        executor=in_process_executor,
    )
    return definitions.resolve_job_def("aggregate")


def run(instance: DagsterInstance, tables: Sequence[FakeTable], **options: Any) -> str:
    """Execute a run to its end, in this process, and return its id."""
    return job(tables).execute_in_process(instance=instance, raise_on_error=False, **options).run_id


def create(
    instance: DagsterInstance,
    tables: Sequence[FakeTable],
    *events: DagsterEventType,
    tags: Mapping[str, str] | None = None,
    **options: Any,
) -> DagsterRun:
    """Create a run that nobody executes, with the given events."""
    dagster_run = instance.create_run_for_job(
        job(tables),
        status=DagsterRunStatus.NOT_STARTED,
        remote_job_origin=ORIGIN.get_job_origin("aggregate"),
        tags=tags,
        **options,
    )
    for event in events:
        report(instance, dagster_run, event)
    return dagster_run


def report(instance: DagsterInstance, dagster_run: DagsterRun, event: DagsterEventType, **details: Any) -> None:
    instance.report_dagster_event(DagsterEvent(event.value, dagster_run.job_name, **details), dagster_run.run_id)


def report_check(instance: DagsterInstance, key: AssetKey, name: str, partition: str | None, *, passed: bool) -> None:
    """Report how a check went, as a run of its own: without one, Dagster stores one result of each partition."""
    evaluation = AssetCheckEvaluation(asset_key=key, check_name=name, passed=passed, partition=partition)
    event = DagsterEvent(DagsterEventType.ASSET_CHECK_EVALUATION.value, "checks", event_specific_data=evaluation)
    instance.report_dagster_event(event, str(uuid4()))


class EngineRepository(PostgresRepository):
    """A repository that opens a connection for each call."""

    def __init__(self, engine: sa.Engine) -> None:
        object.__setattr__(self, "connection", engine)


def rows(engine: sa.Engine) -> dict[str, Any]:
    """Return all rows of batch_jobs, by id."""
    with engine.connect() as connection:
        return {str(row.id): row for row in connection.execute(sa.text("SELECT * FROM batch_jobs ORDER BY created_at"))}


def tick(sensor: SensorDefinition, instance: DagsterInstance, cursor: str | None = None, repository: Any = None) -> Any:
    """Evaluate a sensor as the daemon does, as one of this code location; returns what its tick came to.

    A sensor that asks for runs needs its `repository`.
    """
    here = {
        "repository_name": ORIGIN.repository_name,
        "code_location_origin": ORIGIN.code_location_origin,
        "repository_def": repository,
    }
    with SensorEvaluationContext(None, cursor=cursor, instance=instance, sensor_name=sensor.name, **here) as context:
        return sensor.evaluate_tick(context)

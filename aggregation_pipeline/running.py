"""The job in this process: what `aggregation-pipeline run` and `demo` do, as functions that give an answer."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from dagster import AssetKey, DagsterEventType, DagsterInstance, Definitions, EventLogEntry
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from aggregation_pipeline.assets.names import export_key, manifest_key, table_key
from aggregation_pipeline.assets.partitions import keys_between, newest_complete
from aggregation_pipeline.assets.windows import tick_tags
from aggregation_pipeline.automation.groups import group_tables
from aggregation_pipeline.automation.schedules import is_more_than_daily
from aggregation_pipeline.batch_jobs.dagster_facts import run_events
from aggregation_pipeline.batch_jobs.facts import Failed, Finished
from aggregation_pipeline.batch_jobs.liveness import TAG, alive
from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of
from aggregation_pipeline.batch_jobs.reaching import rows_of
from aggregation_pipeline.config.chosen import chosen
from aggregation_pipeline.dagster_storage import PostgresStorage
from aggregation_pipeline.errors import ConfigError, MirrorError, SettingsError
from aggregation_pipeline.project import Project
from aggregation_pipeline.results import Batch, RunResult, TableResult, together
from aggregation_pipeline.runs.asset_keys import MANIFEST, place_of, segment
from aggregation_pipeline.settings import Settings

log = logging.getLogger(__name__)
_MIRROR_SECONDS = 10.0


def open_instance(project: Project) -> DagsterInstance:
    """As `open_storage`, for a command: somebody sits before it, and is told at once that PostgreSQL does not answer."""
    PostgresStorage.patience = 0.0
    return open_storage(project.settings)


def open_storage(settings: Settings) -> DagsterInstance:
    """Open the Dagster storage that DAGSTER_HOME, or the dagster.yaml in the working folder, names.

    Raises:
        SettingsError: neither is there, or DAGSTER_PG_URL is not set.
    """
    # dagster.yaml reads the variable itself, which may stand in .env only.
    os.environ["DAGSTER_PG_URL"] = settings.require_dagster_url()
    if os.environ.get("DAGSTER_HOME"):
        return DagsterInstance.get()
    if not Path("dagster.yaml").is_file():
        raise SettingsError(
            "There is no dagster.yaml here and DAGSTER_HOME is not set: run this in the project's folder, or set DAGSTER_HOME."
        )
    return DagsterInstance.from_config(str(Path.cwd()))


def select_assets(project: Project, tables: Sequence[str] | None, formats: Sequence[str] | None) -> list[AssetKey]:
    """Return the assets of `tables` (None: all) in `formats` (None: those configured), with their manifests.

    Raises:
        ConfigError: a table or format that is not configured; the message lists those that are.
    """
    known = {table.entry.name: table for table in project.tables}
    if tables is not None:
        tables = chosen(tables, known)
    keys: list[AssetKey] = []
    for name, table in known.items():
        if tables is not None and name not in tables:
            continue
        missing = [output for output in formats or () if output not in table.formats]
        if missing:
            raise ConfigError(
                f"table {name!r} is not exported as {', '.join(missing)}; its formats are {', '.join(table.formats)}. "
                f"Add to OUTPUT_FORMAT, or to `formats` in its entry."
            )
        keys += [table_key(name), *(export_key(name, output) for output in formats or table.formats), manifest_key(name)]
    return keys


def run_tables(
    project: Project,
    definitions: Definitions,
    instance: DagsterInstance,
    *,
    tables: Sequence[str] | None,
    formats: Sequence[str] | None,
    moment: datetime | None = None,
) -> RunResult:
    """Run `tables` (None: all) in this process and keep the rows of batch_jobs up to date meanwhile.

    With a `moment`, the runs stand for the schedule's tick at that time and write that tick's window; without one, for now. A
    partitioned table's window is the newest that is complete then. Tables that no one job can hold are run one job after the other.

    Dagster's run-status sensors skip runs started in a process of their own, so the rows are written here: at the start, now and then
    while tables are done, at the end. A batch_jobs that cannot be written is logged and never stops an export; the reconciler brings it
    in later.

    Raises:
        ConfigError: a table or format that is not configured, or nothing but partitioned tables without a complete partition.
    """
    selected = select_assets(project, tables, formats)
    results, without = [], []
    for group in group_tables(project.tables, cron=project.cron, zone=project.settings.zone):
        names = [table.entry.name for table in group.tables if table_key(table.entry.name) in selected]
        if not names:
            continue
        tags, partition = {}, None
        if group.partitions is not None:
            partition = newest_complete(group.partitions, moment or datetime.now(UTC))
            if partition is None:
                without += names
                continue
        elif moment is not None:
            tags = tick_tags(moment, group.zone, more_than_daily=is_more_than_daily(group.crons or ("* * * * *",)))
        assets = select_assets(project, names, formats)
        results.append(_run_job(project, definitions, instance, group.name, names, assets, tags=tags, partition=partition))
    if not results:
        raise ConfigError(f"{', '.join(without)}: no partition is complete yet; partition.start says where the first begins")
    skipped = {name: TableResult("skipped", 0, "no partition is complete yet") for name in without}
    return together(results, skipped)


def run_backfill(
    project: Project,
    definitions: Definitions,
    instance: DagsterInstance,
    *,
    table: str,
    first: str,
    last: str,
    formats: Sequence[str] | None = None,
) -> RunResult:
    """Run the partitions of `table` from `first` to `last` in this process, as many to a run as its `backfill` says.

    Raises:
        ConfigError: the table is not configured or has no partitions, or none of these.
    """
    (table,) = chosen([table], [each.entry.name for each in project.tables])
    assets = select_assets(project, [table], formats)
    groups = group_tables(project.tables, cron=project.cron, zone=project.settings.zone)
    job, group = next((one, group) for group in groups for one in group.tables if one.entry.name == table)
    if job.partitions is None:
        raise ConfigError(f"table {table!r} has no partition in aggregation.yaml, so there is nothing to fill: run it as it is")
    keys = keys_between(table, job.partitions, first, last)
    each = job.entry.backfill.partitions_per_run
    size = len(keys) if each == "all" else each
    chunks = [keys[position : position + size] for position in range(0, len(keys), size)]
    results = []
    for chunk in chunks:
        tags = {ASSET_PARTITION_RANGE_START_TAG: chunk[0], ASSET_PARTITION_RANGE_END_TAG: chunk[-1]} if len(chunk) > 1 else {}
        partition = chunk[0] if len(chunk) == 1 else None
        results.append(_run_job(project, definitions, instance, group.name, [table], assets, tags=tags, partition=partition))
    return together(results, {})


def _run_job(
    project: Project,
    definitions: Definitions,
    instance: DagsterInstance,
    job: str,
    tables: Sequence[str],
    assets: Sequence[AssetKey],
    *,
    tags: Mapping[str, str],
    partition: str | None,
) -> RunResult:
    run_id = str(uuid4())
    with alive(project.settings.require_dagster_url(), run_id), _mirroring(project, instance, run_id):
        result = definitions.resolve_job_def(job).execute_in_process(
            # The log files have every line; the terminal belongs to the progress bars.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=instance,
            run_id=run_id,
            tags={**tags, TAG: run_id},
            partition_key=partition,
            asset_selection=assets,
            raise_on_error=False,
        )
    record = instance.get_run_record_by_id(run_id)
    seconds = (record.end_time - record.start_time) if record and record.end_time and record.start_time else 0.0
    return _result(instance, run_id, tables, succeeded=result.success, seconds=seconds)


def _result(instance: DagsterInstance, run_id: str, selected: Sequence[str], *, succeeded: bool, seconds: float) -> RunResult:
    names = {segment(name): name for name in selected}
    events = run_events(instance, run_id, names) or []
    # A table is finished once for each of its partitions.
    finished = [event for event in events if isinstance(event, Finished) and event.segment in names]
    failed = {names[event.segment]: event for event in events if isinstance(event, Failed) and event.segment in names}
    tables = {}
    for part, name in names.items():
        windows = {event.partition: event for event in finished if event.segment == part}
        status = "failed" if name in failed and not succeeded else "completed" if windows else "skipped"
        error = failed[name].error if status == "failed" else None
        tables[name] = TableResult(status, sum(event.items for event in windows.values()), error)
    batch = Batch(run_id, "completed" if succeeded else "failed", sum(table.items for table in tables.values()))
    files = {file["uri"]: file for event in finished for file in event.files}
    return RunResult(run_id, batch.status, batch.total_items, tables, list(files.values()), [batch], seconds)


@contextmanager
def _mirroring(project: Project, instance: DagsterInstance, run_id: str) -> Iterator[None]:
    settings = project.settings
    open_rows = rows_of(settings, application_name=f"aggregation run {run_id[:8]}")
    owner = owner_of(instance, settings.deployment_name)
    busy, not_before = False, 0.0

    def mirror(*, last: bool = False) -> None:
        nonlocal busy, not_before
        # A batch_jobs that does not answer is waited for once, not after every table: the export goes first, the reconciler makes it good.
        if not last and (busy or time.monotonic() < not_before):
            return
        started = time.monotonic()
        try:
            with open_rows(_MIRROR_SECONDS) as rows:
                rows.ensure()
                mirror_run(
                    instance,
                    run_id,
                    rows=rows,
                    owner=owner,
                    platforms=project.platforms,
                    job_type=settings.batch_job_type,
                    secrets=settings.secrets,
                )
        except MirrorError as error:
            busy = error.retryable
            log.warning("batch_jobs: %s", error)
        # Every time the whole run is read again, which grows with its windows: progress may take a tenth of the run's time, not more.
        not_before = time.monotonic() + 9 * (time.monotonic() - started)

    def follow(entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            return
        place = place_of(event.asset_key.path) if event.asset_key else None
        window_done = event.event_type == DagsterEventType.ASSET_MATERIALIZATION and place is not None and place.output == MANIFEST
        if window_done or event.event_type in {DagsterEventType.RUN_START, DagsterEventType.STEP_FAILURE}:
            mirror()

    instance.add_event_listener(run_id, follow)
    try:
        yield
    finally:
        mirror(last=True)

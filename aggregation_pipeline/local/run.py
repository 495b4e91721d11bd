"""The job in this process: what `aggregation-pipeline run` and `demo` do, as functions that give an answer."""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from dagster import AssetKey, DagsterInstance, Definitions
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from aggregation_pipeline.assets.keys import export_key, manifest_key, table_key
from aggregation_pipeline.automation.job_groups import group_tables
from aggregation_pipeline.automation.run_requests import LaunchSpec, at_tick, by_hand, describe_request, over_range
from aggregation_pipeline.config.selection import select_names
from aggregation_pipeline.errors import ConfigError, SettingsError
from aggregation_pipeline.instance.storage import PostgresStorage
from aggregation_pipeline.local.results import Batch, RunResult, TableResult, together
from aggregation_pipeline.project import Project
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.runs.event_log import run_events
from aggregation_pipeline.runs.heartbeat import hold_heartbeat
from aggregation_pipeline.runs.logical_time import require_past
from aggregation_pipeline.runs.model import Failed, Finished
from aggregation_pipeline.runs.tags import IN_PROCESS_TAG
from aggregation_pipeline.settings.base import Settings

# The name in workspace.yaml and pyproject.toml.
_LOCATION: Final = "aggregation_pipeline"


def open_instance(project: Project) -> DagsterInstance:
    """As `open_storage`, for a command: somebody sits before it, and is told at once that PostgreSQL does not
    answer.
    """
    PostgresStorage.patience = 0.0
    return open_storage(project.settings)


def open_storage(settings: Settings) -> DagsterInstance:
    """Open the Dagster storage that DAGSTER_HOME, or the dagster.yaml in the working folder, names.

    Raises:
        SettingsError: neither is there, or DAGSTER_PG_URL is not set.
    """
    # dagster.yaml reads the variable itself, which may stand in .env only.
    os.environ["DAGSTER_PG_URL"] = settings.require_dagster_url()
    folder = instance_folder()
    return DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else DagsterInstance.from_config(str(folder))


def instance_folder() -> Path:
    """Return DAGSTER_HOME, or the working folder where a dagster.yaml stands in it.

    Raises:
        SettingsError: neither is there.
    """
    home = os.environ.get("DAGSTER_HOME")
    if home:
        folder = Path(home).expanduser()
        if not folder.is_absolute() or not folder.is_dir():
            raise SettingsError(f"DAGSTER_HOME={home} is no folder by its whole path. Dagster takes nothing else.")
        return folder
    if not Path("dagster.yaml").is_file():
        raise SettingsError(
            "There is no dagster.yaml here and DAGSTER_HOME is not set: run this in the project's folder, or set"
            " DAGSTER_HOME."
        )
    return Path.cwd()


def select_assets(project: Project, tables: Sequence[str] | None, formats: Sequence[str] | None) -> list[AssetKey]:
    """Return the assets of `tables` (None: all) in `formats` (None: those configured), with their manifests.

    Raises:
        ConfigError: a table or format that is not configured; the message lists those that are.
    """
    known = {table.entry.name: table for table in project.tables}
    if tables is not None:
        tables = select_names(tables, known)
    keys: list[AssetKey] = []
    for name, table in known.items():
        if tables is not None and name not in tables:
            continue
        missing = [output for output in formats or () if output not in table.formats]
        if missing:
            raise ConfigError(
                f"table {name!r} is not exported as {', '.join(missing)}; its formats are {', '.join(table.formats)}. "
                "Add to OUTPUT_FORMAT, or to `formats` in its entry."
            )
        keys += [
            table_key(name),
            *(export_key(name, output) for output in formats or table.formats),
            manifest_key(name),
        ]
    return keys


def run_tables(
    project: Project,
    definitions: Definitions,
    instance: DagsterInstance,
    *,
    tables: Sequence[str] | None,
    formats: Sequence[str] | None,
    moment: datetime | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> RunResult:
    """Run `tables` (None: all) in this process and keep the rows of batch_jobs up to date meanwhile.

    With a `moment`, the runs stand for the schedule's tick at that time and write that tick's window; without one, for
    now. A partitioned table's window is the newest that is complete then; `tell` hears which windows that are. Tables
    that no one job can hold are run one job after the other.

    Rows are written from here, for no daemon need be running: at the start, now and then while tables are done, at the
    end. A batch_jobs that cannot be written is logged and never stops an export; the reconciler brings it in later.

    Raises:
        ConfigError: a table or format that is not configured, a moment to come, or nothing but partitioned tables
            without a complete
            partition.
    """
    if moment is not None:
        require_past(moment, where=f"{moment:%Y-%m-%d %H:%M}")
    selected = select_assets(project, tables, formats)
    results, without = [], []
    for group in group_tables(project.tables, cron=project.cron, zone=project.settings.zone):
        names = [table.entry.name for table in group.tables if table_key(table.entry.name) in selected]
        if not names:
            continue
        asked = by_hand(group, datetime.now(UTC)) if moment is None else at_tick(group, moment)
        if asked is None:
            without += names
            continue
        if moment is not None:
            tell(describe_request(group, moment, asked))
        assets = select_assets(project, names, formats)
        results.append(_run_job(project, definitions, instance, group.name, names, assets, asked))
    if not results:
        raise ConfigError(
            f"{', '.join(without)}: no partition is complete yet; partition.start says where the first begins"
        )
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
    (table,) = select_names([table], [each.entry.name for each in project.tables])
    assets = select_assets(project, [table], formats)
    groups = group_tables(project.tables, cron=project.cron, zone=project.settings.zone)
    job, group = next((one, group) for group in groups for one in group.tables if one.entry.name == table)
    if job.partitions is None:
        file = job.config.name if job.config else "the configuration"
        raise ConfigError(f"table {table!r} has no partition in {file}, so there is nothing to fill: run it as it is")
    chunks = over_range(table, job.partitions, job.entry.backfill, first, last)
    results = [_run_job(project, definitions, instance, group.name, [table], assets, asked) for asked in chunks]
    return together(results, {})


def _run_job(
    project: Project,
    definitions: Definitions,
    instance: DagsterInstance,
    job: str,
    tables: Sequence[str],
    assets: Sequence[AssetKey],
    asked: LaunchSpec,
) -> RunResult:
    run_id = str(uuid4())
    project.live_updates(f"aggregation run {run_id[:8]}").start_before_run(instance, run_id)
    with hold_heartbeat(project.settings.require_dagster_url(), run_id), of_code_location(instance, job):
        result = definitions.resolve_job_def(job).execute_in_process(
            # The log files have every line; the terminal belongs to the progress bars.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=instance,
            run_id=run_id,
            tags={**asked.tags, IN_PROCESS_TAG: run_id},
            partition_key=asked.partition,
            asset_selection=assets,
            raise_on_error=False,
        )
    record = instance.get_run_record_by_id(run_id)
    seconds = (record.end_time - record.start_time) if record and record.end_time and record.start_time else 0.0
    return _result(instance, run_id, tables, succeeded=result.success, seconds=seconds)


@contextmanager
def of_code_location(instance: DagsterInstance, job: str) -> Iterator[None]:
    """Let the runs of `job` that the body makes belong to the code location, as those do that Dagster's services start.

    A run of `execute_in_process` belongs to none: Overview and the job's page do not show it, its sensors are not told
    of it, and it cannot be executed again.
    """
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(_LOCATION), SINGLETON_REPOSITORY_NAME).get_job_origin(
        job
    )
    instance.create_run_for_job = functools.partial(instance.create_run_for_job, remote_job_origin=origin)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del instance.create_run_for_job


def _result(
    instance: DagsterInstance, run_id: str, selected: Sequence[str], *, succeeded: bool, seconds: float
) -> RunResult:
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
    items = sum(table.items for table in tables.values())
    batch = Batch(run_id, "completed" if succeeded else "failed", items, round(seconds, 3), list(tables))
    files = {file["uri"]: file for event in finished for file in event.files}
    return RunResult(run_id, batch.status, batch.total_items, tables, list(files.values()), [batch], seconds)

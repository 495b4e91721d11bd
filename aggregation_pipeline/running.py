"""The job in this process: what `aggregation-pipeline run` and `demo` do, as functions that give an answer."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from dagster import AssetKey, DagsterEventType, DagsterInstance, Definitions, EventLogEntry

from aggregation_pipeline.assets.names import export_key, manifest_key, segment, table_key
from aggregation_pipeline.assets.windows import tick_tags
from aggregation_pipeline.automation.jobs import AGGREGATE_JOB
from aggregation_pipeline.automation.schedules import is_more_than_daily
from aggregation_pipeline.batch_jobs.dagster_facts import run_events
from aggregation_pipeline.batch_jobs.facts import Failed, Finished
from aggregation_pipeline.batch_jobs.in_process import TAG, alive
from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of
from aggregation_pipeline.batch_jobs.reaching import rows_of
from aggregation_pipeline.errors import ConfigError, MirrorError, SettingsError
from aggregation_pipeline.project import Project

log = logging.getLogger(__name__)
_MIRROR_SECONDS = 10.0


@dataclass(frozen=True)
class TableResult:
    """One table of a run. `status` is completed, failed or skipped; `items` the rows of both datasets."""

    status: str
    items: int
    error: str | None = None


@dataclass(frozen=True)
class RunResult:
    """What a run came to. `tables` by the entry's name; `files` as the manifests have them."""

    batch_job_id: str
    status: str
    total_items: int
    tables: Mapping[str, TableResult]
    files: Sequence[Mapping[str, Any]]
    seconds: float = field(default=0.0)

    @property
    def results(self) -> Mapping[str, TableResult]:
        """What became of each table, by the word that the collector before this one had for it."""
        return self.tables

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `run --json` prints; `batches` lists the rows of batch_jobs that the command made."""
        batch = {"batch_job_id": self.batch_job_id, "status": self.status, "total_items": self.total_items}
        return {
            **batch,
            "batches": [batch],
            "tables": {name: asdict(table) for name, table in self.tables.items()},
            "files": list(self.files),
        }


def open_instance(project: Project) -> DagsterInstance:
    """Open the Dagster storage that DAGSTER_HOME, or the dagster.yaml in the working folder, names.

    Raises:
        SettingsError: neither is there.
    """
    # dagster.yaml reads the variable itself, and takes a URL as it is.
    os.environ["DAGSTER_PG_URL"] = project.settings.require_dagster_url()
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
    unknown = [name for name in tables or () if name not in known]
    if unknown:
        raise ConfigError(f"no table named {', '.join(map(repr, unknown))} is configured; there are {', '.join(known)}")
    keys: list[AssetKey] = []
    for name, table in known.items():
        if tables is not None and name not in tables:
            continue
        missing = [output for output in formats or () if output not in table.formats]
        if missing:
            raise ConfigError(f"table {name!r} is not exported as {', '.join(missing)}; its formats are {', '.join(table.formats)}")
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
    """Run the job over `tables` in this process and keep its row of batch_jobs up to date meanwhile.

    With a `moment`, the run stands for the schedule's tick at that time and writes that tick's window; without one, for now.

    Dagster's run-status sensors skip runs started in a process of their own, so the row is written here: at the start, after each
    table, at the end. A batch_jobs that cannot be written is logged and never stops an export; the reconciler brings it in later.
    """
    run_id = str(uuid4())
    tick = {} if moment is None else tick_tags(moment, project.settings.zone, more_than_daily=is_more_than_daily(project.cron))
    with alive(project.settings.require_dagster_url(), run_id), _mirroring(project, instance, run_id):
        result = definitions.resolve_job_def(AGGREGATE_JOB).execute_in_process(
            # The log files have every line; the terminal belongs to the progress bars.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=instance,
            run_id=run_id,
            tags={**tick, TAG: "true"},
            asset_selection=select_assets(project, tables, formats),
            raise_on_error=False,
        )
    record = instance.get_run_record_by_id(run_id)
    seconds = (record.end_time - record.start_time) if record and record.end_time and record.start_time else 0.0
    return _result(project, instance, run_id, succeeded=result.success, selected=tables, seconds=seconds)


def _result(
    project: Project, instance: DagsterInstance, run_id: str, *, succeeded: bool, selected: Sequence[str] | None, seconds: float
) -> RunResult:
    names = {segment(table.entry.name): table.entry.name for table in project.tables if selected is None or table.entry.name in selected}
    events = run_events(instance, run_id, names) or []
    finished = {names[event.segment]: event for event in events if isinstance(event, Finished) and event.segment in names}
    failed = {names[event.segment]: event for event in events if isinstance(event, Failed) and event.segment in names}
    tables = {}
    for name in names.values():
        if name in finished:
            tables[name] = TableResult("completed", finished[name].items)
        else:
            tables[name] = TableResult("failed", 0, failed[name].error) if name in failed else TableResult("skipped", 0)
    return RunResult(
        batch_job_id=run_id,
        status="completed" if succeeded else "failed",
        total_items=sum(table.items for table in tables.values()),
        tables=tables,
        files=[file for event in finished.values() for file in event.files],
        seconds=seconds,
    )


@contextmanager
def _mirroring(project: Project, instance: DagsterInstance, run_id: str) -> Iterator[None]:
    settings = project.settings
    open_rows = rows_of(settings, application_name=f"aggregation run {run_id[:8]}")
    owner = owner_of(instance, settings.deployment_name)
    busy = False

    def mirror(*, last: bool = False) -> None:
        nonlocal busy
        # A batch_jobs that does not answer is waited for once, not after every table: the export goes first, the reconciler makes it good.
        if busy and not last:
            return
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

    def follow(entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            return
        window_done = (
            event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key and event.asset_key.path[-1] == "manifest"
        )
        if window_done or event.event_type in {DagsterEventType.RUN_START, DagsterEventType.STEP_FAILURE}:
            mirror()

    instance.add_event_listener(run_id, follow)
    try:
        yield
    finally:
        mirror(last=True)

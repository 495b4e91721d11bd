"""One run into its row: read its events, project them, upsert the row.

Sensors, the reconciler, the run's own process and the command line all come here.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from dagster import DagsterInstance, RunRecord
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from aggregation_pipeline.batch_jobs.projection import NO_NAMES, project
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.runs.event_log import run_events
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.runs.run_records import run_info

Outcome = Literal["written", "unchanged", "foreign", "missing"]


def owner_of(instance: DagsterInstance, deployment: str) -> Owner:
    """Return the owner of the rows of this Dagster storage's runs.

    The storage made its id together with its tables, and keeps it. Raises MirrorError where it has none.
    """
    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        raise MirrorError(
            f"Dagster keeps its runs in {type(storage).__name__}, which has no id. Configure PostgreSQL in dagster.yaml"
        )
    return Owner(deployment, storage.get_run_storage_id())


def mirror_run(
    instance: DagsterInstance,
    run: RunRecord | str,
    *,
    repository: BatchJobRepository,
    owner: Owner,
    platforms: Mapping[str, str],
    job_type: str,
    names: Mapping[str, str] = NO_NAMES,
    secrets: Sequence[str] = (),
) -> Outcome:
    """Bring a run's row up to date. Any process may call this at any time, any number of times.

    `run` is the run's id, or its record where the caller has read it already. `platforms` maps key segments to
    platforms, `names` to entries.

    Returns "written"; "unchanged" where the row was there already, in this version or a newer one, or is not ours;
    "foreign" for a run that planned none of our assets; "missing" for one that Dagster does not know.
    Raises MirrorError, MirrorBusyError.
    """
    record = instance.get_run_record_by_id(run) if isinstance(run, str) else run
    if record is None:
        return "missing"
    # The events are read after the record, so they are never older than it.
    events = run_events(instance, record.dagster_run.run_id, platforms)
    if events is None:
        return "foreign"
    row = project(
        run_info(record), events, owner=owner, job_type=job_type, platforms=platforms, names=names, secrets=secrets
    )
    return "written" if repository.record(row) else "unchanged"

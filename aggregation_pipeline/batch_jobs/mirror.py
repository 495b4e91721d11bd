"""One run into its row: facts, projection, upsert. The one way that sensors, the reconciler and the command line
share.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from dagster import DagsterInstance, RunRecord
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from aggregation_pipeline.batch_jobs.projection import NO_NAMES, project
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.runs.event_log import run_events, run_info
from aggregation_pipeline.runs.model import Owner

Outcome = Literal["written", "unchanged", "foreign", "missing"]


def owner_of(instance: DagsterInstance, deployment: str) -> Owner:
    """The owner of the rows of this Dagster storage's runs. The storage made its id when its tables were made, and
    keeps it.
    """
    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        raise MirrorError(
            f"Dagster keeps its runs in {type(storage).__name__}, which has no id. Configure PostgreSQL in dagster.yaml"
        )
    return Owner(deployment, storage.get_run_storage_id())


def mirror_run(
    instance: DagsterInstance,
    run_id: str,
    *,
    rows: BatchJobRepository,
    owner: Owner,
    platforms: Mapping[str, str],
    job_type: str,
    names: Mapping[str, str] = NO_NAMES,
    secrets: Sequence[str] = (),
) -> Outcome:
    """Bring the run's row up to date; safe to call at any time, any number of times, from any process.

    "foreign" is a run that planned none of our assets, "missing" one that Dagster does not know; "unchanged" also says
    that a newer version, or a row that is not ours, was there. `platforms` maps key segments to platforms, `names` to
    entries. Raises MirrorError, MirrorBusyError.
    """
    found = instance.get_run_record_by_id(run_id)
    if found is None:
        return "missing"
    return mirror_record(
        instance, found, rows=rows, owner=owner, platforms=platforms, job_type=job_type, names=names, secrets=secrets
    )


def mirror_record(
    instance: DagsterInstance,
    run: RunRecord,
    *,
    rows: BatchJobRepository,
    owner: Owner,
    platforms: Mapping[str, str],
    job_type: str,
    names: Mapping[str, str] = NO_NAMES,
    secrets: Sequence[str] = (),
) -> Outcome:
    """The same for a run whose record was read already; its events are read now, so they are never older than the
    record.
    """
    events = run_events(instance, run.dagster_run.run_id, platforms)
    if events is None:
        return "foreign"
    row = project(
        run_info(run), events, owner=owner, job_type=job_type, platforms=platforms, names=names, secrets=secrets
    )
    return "written" if rows.record(row) else "unchanged"

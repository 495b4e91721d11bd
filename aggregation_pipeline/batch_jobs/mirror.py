"""One run into its row: facts, projection, upsert. The one way that sensors, the reconciler and the command line share."""

from collections.abc import Mapping, Sequence
from typing import Literal

import sqlalchemy as sa
from dagster import DagsterInstance, RunRecord

from aggregation_pipeline.batch_jobs.dagster_facts import run_events, run_facts
from aggregation_pipeline.batch_jobs.projection import project
from aggregation_pipeline.batch_jobs.writer import record

Outcome = Literal["written", "unchanged", "foreign", "missing"]


def mirror_run(
    instance: DagsterInstance,
    run_id: str,
    *,
    engine: sa.Engine | sa.Connection,
    deployment: str,
    platforms: Mapping[str, str],
    job_type: str,
    secrets: Sequence[str] = (),
) -> Outcome:
    """Bring the run's row up to date; safe to call at any time, any number of times, from any process.

    "foreign" is a run that planned none of our assets, "missing" one that Dagster does not know; "unchanged" also says that a newer
    version, or a row that is not ours, was there. `platforms` maps key segments to platforms. Raises MirrorError, MirrorBusyError.
    """
    found = instance.get_run_record_by_id(run_id)
    if found is None:
        return "missing"
    return mirror_record(instance, found, engine=engine, deployment=deployment, platforms=platforms, job_type=job_type, secrets=secrets)


def mirror_record(
    instance: DagsterInstance,
    run: RunRecord,
    *,
    engine: sa.Engine | sa.Connection,
    deployment: str,
    platforms: Mapping[str, str],
    job_type: str,
    secrets: Sequence[str] = (),
) -> Outcome:
    """The same for a run whose record was read already; its events are read now, so they are never older than the record."""
    events = run_events(instance, run.dagster_run.run_id, platforms)
    if events is None:
        return "foreign"
    row = project(run_facts(run), events, deployment=deployment, job_type=job_type, platforms=platforms, secrets=secrets)
    return "written" if record(engine, row) else "unchanged"

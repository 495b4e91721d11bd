"""Sensors that keep batch_jobs: one for each change of a run's status, for speed, and one that reconciles, for truth.

No postponed annotations here: Dagster reads the annotation of a sensor's context.
"""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from dagster import (
    DagsterRunStatus,
    DefaultSensorStatus,
    RunStatusSensorContext,
    RunStatusSensorDefinition,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
)

from aggregation_pipeline.batch_jobs.mirror import mirror_record, mirror_run
from aggregation_pipeline.batch_jobs.reconcile import Pass, reconcile
from aggregation_pipeline.batch_jobs.table import ensure_table
from aggregation_pipeline.errors import MirrorBusyError
from aggregation_pipeline.postgres import create_engine, deadline, reason

STATUSES = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.SUCCESS,
    DagsterRunStatus.FAILURE,
    DagsterRunStatus.CANCELED,
)
INTERVAL_SECONDS = 10
# Whatever PostgreSQL does, a tick is over after this: the daemon evaluates other sensors too.
TICK_SECONDS = 18.0
# How far back the very first pass looks.
HISTORY = timedelta(days=30)
# A run that cannot be mirrored is tried again at every pass; more of them than this is one cause, not many.
_RETRIES = 200


def build_sensors(
    *, url: str, deployment: str, platforms: Mapping[str, str], job_type: str = "data_collection", secrets: Sequence[str] = ()
) -> list[SensorDefinition]:
    """The sensors of one deployment, all running from the start.

    `url` is the PostgreSQL of batch_jobs, nothing connects to it before a tick; `platforms` maps the key segments of tables to their
    platforms, in order; `secrets` are values to be kept out of error texts.
    """
    engine = create_engine(url, application_name="aggregation sensors")
    one_run = functools.partial(mirror_run, deployment=deployment, platforms=platforms, job_type=job_type, secrets=secrets)
    one_record = functools.partial(mirror_record, deployment=deployment, platforms=platforms, job_type=job_type, secrets=secrets)
    # Lives as long as the code server; after a restart it fills itself again.
    foreign: set[str] = set()

    def mirror(context: RunStatusSensorContext) -> None:
        with _bounded(engine) as connection:
            ensure_table(connection)
            outcome = one_run(context.instance, context.dagster_run.run_id, engine=connection)
        context.log.info("batch_jobs row of run %s: %s", context.dagster_run.run_id, outcome)

    def reconcile_all(context: SensorEvaluationContext) -> SkipReason:
        watermark, retry = _read_cursor(context.cursor)
        with _bounded(engine) as connection:
            created = ensure_table(connection)
            mirror_one = functools.partial(one_record, context.instance, engine=connection)
            done = reconcile(
                context.instance, connection, mirror_one, deployment=deployment, watermark=watermark, retry=retry, foreign=foreign
            )
        for run_id, why in done.refused.items():
            context.log.error("Run %s is not in batch_jobs yet: %s", run_id, why)
        # Rows are committed one by one above: only now may the watermark move.
        context.update_cursor(_write_cursor(done))
        return SkipReason(_summary(done, created=created))

    return [
        *(
            RunStatusSensorDefinition(
                name=f"batch_jobs_{status.value.lower()}",
                run_status=status,
                run_status_sensor_fn=mirror,
                minimum_interval_seconds=INTERVAL_SECONDS,
                default_status=DefaultSensorStatus.RUNNING,
                description=f"Records a run in batch_jobs as soon as it is {status.value}.",
            )
            for status in STATUSES
        ),
        SensorDefinition(
            name="batch_jobs_reconcile",
            evaluation_fn=reconcile_all,
            minimum_interval_seconds=INTERVAL_SECONDS,
            default_status=DefaultSensorStatus.RUNNING,
            description="Makes every row of batch_jobs right, whatever the other sensors missed, and shows the progress of running jobs.",
        ),
    ]


@contextmanager
def _bounded(engine: sa.Engine) -> Iterator[sa.Connection]:
    try:
        connection = engine.connect()
    except sa.exc.OperationalError as error:
        raise MirrorBusyError(f"batch_jobs cannot be reached: {reason(error)}. Check BATCH_JOBS_URL and that the server runs") from error
    with connection, deadline(connection, TICK_SECONDS):
        yield connection


def _read_cursor(cursor: str | None) -> tuple[datetime, Sequence[str]]:
    if not cursor:
        return datetime.now(UTC) - HISTORY, ()
    read = json.loads(cursor)
    return datetime.fromisoformat(read["watermark"]), read.get("retry", ())


def _write_cursor(done: Pass) -> str:
    return json.dumps({"watermark": done.watermark.isoformat(), "retry": list(done.refused)[-_RETRIES:]})


def _summary(done: Pass, *, created: bool) -> str:
    parts = [f"{done.written} of {done.looked_at} runs brought up to date in batch_jobs"]
    if created:
        parts.insert(0, "Table public.batch_jobs created")
    if done.refused:
        parts.append(f"{len(done.refused)} could not be recorded and are tried again: see the log")
    if not done.complete:
        parts.append("time is up, the rest follows")
    return "; ".join(parts)

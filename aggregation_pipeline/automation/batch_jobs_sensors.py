"""Sensors that keep batch_jobs: one for each change of a run's status, for speed, and one that reconciles, for truth.

No postponed annotations here: Dagster reads the annotation of a sensor's context.
"""

import functools
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from dagster import (
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    RunStatusSensorContext,
    RunStatusSensorDefinition,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
)

from aggregation_pipeline.automation import internal_sensors
from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of
from aggregation_pipeline.batch_jobs.mirror_cursor import MIRROR_SENSOR, MirrorCursor
from aggregation_pipeline.batch_jobs.projection import NO_NAMES
from aggregation_pipeline.batch_jobs.reconcile import MAX_RETRIED_RUNS, OPEN_STATUSES, ReconcileResult, reconcile
from aggregation_pipeline.batch_jobs.repository import OpenRepository
from aggregation_pipeline.errors import MirrorBusyError
from aggregation_pipeline.postgres.engine import safe_reason
from aggregation_pipeline.runs.heartbeat import fail_orphaned_runs

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
# A tick of a fast sensor takes up to five runs. The first that finds batch_jobs hanging speaks for all sensors of this
# process for a while.
RUN_SECONDS = 6.0
REST_SECONDS = 30.0


def build_sensors(
    *,
    open_repository: OpenRepository,
    deployment: str,
    platforms: Mapping[str, str],
    job_type: str = "data_collection",
    names: Mapping[str, str] = NO_NAMES,
    secrets: Sequence[str] = (),
    history: timedelta = timedelta(days=30),
    locks_url: str | None = None,
) -> list[SensorDefinition]:
    """The sensors of one deployment, all running from the start.

    `open_repository` leads to batch_jobs, nothing connects before a tick; `platforms` maps the key segments of tables to
    their platforms, in order, `names` to their entries; `secrets` are values to be kept out of error texts; `history`
    is how far back the very first pass looks; `locks_url` is the PostgreSQL where runs in processes of their own show
    that they live.
    """
    mirror_one = functools.partial(mirror_run, platforms=platforms, job_type=job_type, names=names, secrets=secrets)
    # Lives as long as the code server; after a restart it fills itself again.
    foreign: set[str] = set()
    rest = _Rest()

    def mirror(context: RunStatusSensorContext) -> None:
        run_id = context.dagster_run.run_id
        if rest.is_on():
            context.log.warning("Run %s is left to %s: batch_jobs did not answer a moment ago", run_id, MIRROR_SENSOR)
            return
        try:
            with open_repository(RUN_SECONDS) as repository:
                repository.ensure_table()
                outcome = mirror_one(
                    context.instance, run_id, repository=repository, owner=owner_of(context.instance, deployment)
                )
        except MirrorBusyError:
            rest.begin()
            raise
        context.log.info("batch_jobs row of run %s: %s", run_id, outcome)

    def reconcile_all(context: SensorEvaluationContext) -> SkipReason:
        instance, owner = context.instance, owner_of(context.instance, deployment)
        cursor = MirrorCursor.from_json(context.cursor) if context.cursor else MirrorCursor(datetime.now(UTC) - history)
        dead = _fail_orphaned_runs(context, locks_url)
        with open_repository(TICK_SECONDS) as repository:
            created = repository.ensure_table()
            mirror_of_pass = functools.partial(mirror_one, instance, repository=repository, owner=owner)
            done = reconcile(
                instance,
                repository,
                mirror_of_pass,
                owner=owner,
                watermark=cursor.watermark,
                retry=cursor.retry,
                foreign=foreign,
            )
        for run_id in dead:
            context.log.error("Run %s marked as failed: its process is gone", run_id)
        for run_id, why in done.refused.items():
            context.log.error("Run %s is not in batch_jobs yet: %s", run_id, why)
        # Rows are committed one by one above: only now may the watermark move.
        retry = tuple(done.refused)[-MAX_RETRIED_RUNS:]
        after = MirrorCursor(done.watermark, retry, done.behind, done.lag_seconds, at=datetime.now(UTC))
        context.update_cursor(after.to_json())
        return SkipReason(_summary(done, created=created))

    return [
        *(
            RunStatusSensorDefinition(
                name=f"{internal_sensors.PREFIX}batch_jobs_{status.value.lower()}",
                run_status=status,
                run_status_sensor_fn=mirror,
                minimum_interval_seconds=INTERVAL_SECONDS,
                default_status=DefaultSensorStatus.RUNNING,
                description=internal_sensors.described(
                    f"records a run in batch_jobs as soon as it is {status.value}. Starts no runs."
                ),
                tags=internal_sensors.TAGS,
            )
            for status in STATUSES
        ),
        SensorDefinition(
            name=MIRROR_SENSOR,
            evaluation_fn=reconcile_all,
            minimum_interval_seconds=INTERVAL_SECONDS,
            default_status=DefaultSensorStatus.RUNNING,
            description=internal_sensors.described(
                "makes every row of batch_jobs right, whatever the other sensors missed, and shows the progress of "
                "running jobs. Starts no runs."
            ),
            tags=internal_sensors.TAGS,
        ),
    ]


class _Rest:
    """A pause after batch_jobs did not answer: waiting for it once is enough."""

    def __init__(self) -> None:
        self._until = 0.0

    def begin(self) -> None:
        self._until = time.monotonic() + REST_SECONDS

    def is_on(self) -> bool:
        return time.monotonic() < self._until


def _fail_orphaned_runs(context: SensorEvaluationContext, locks_url: str | None) -> list[str]:
    if locks_url is None:
        return []
    try:
        return fail_orphaned_runs(
            context.instance, context.instance.get_run_records(RunsFilter(statuses=OPEN_STATUSES)), locks_url
        )
    except sa.exc.SQLAlchemyError as error:
        # The rows come first; whoever is dead is still dead at the next tick.
        context.log.warning("Whether the processes of runs live cannot be seen: %s", safe_reason(error))
        return []


def _summary(done: ReconcileResult, *, created: bool) -> str:
    parts = [f"{done.written} of {done.looked_at} runs brought up to date in batch_jobs"]
    if created:
        parts.insert(0, "Table public.batch_jobs created")
    if done.closed:
        parts.append(f"{done.closed} rows closed whose runs were deleted in Dagster")
    if done.refused:
        parts.append(f"{len(done.refused)} could not be recorded and are tried again: see the log")
    if not done.complete:
        parts.append("time is up, the rest follows")
    if done.behind:
        parts.append(f"the first run left has been waiting for {done.lag_seconds:.0f} s")
    return "; ".join(parts)

"""Sensors that keep batch_jobs: one for each status of a run, which is fast, and one that reconciles, which is certain.

No postponed annotations here: Dagster reads the annotation of a sensor's context.
"""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

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
from aggregation_pipeline.batch_jobs.mirror_cursor import MIRROR_SENSOR, MirrorCursor
from aggregation_pipeline.batch_jobs.projection import NO_NAMES
from aggregation_pipeline.errors import MirrorBusyError
from aggregation_pipeline.runs.asset_keys import DEPLOYMENT, Scope
from aggregation_pipeline.runs.run_records import LATE_UPDATES

if TYPE_CHECKING:
    from aggregation_pipeline.batch_jobs.mirror import About
    from aggregation_pipeline.batch_jobs.reconcile import ReconcileResult
    from aggregation_pipeline.batch_jobs.repository import OpenRepository

STATUSES: Final = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.SUCCESS,
    DagsterRunStatus.FAILURE,
    DagsterRunStatus.CANCELED,
)
INTERVAL_SECONDS: Final = 10
# A tick ends after this time whatever PostgreSQL does, because the daemon has other sensors to evaluate.
TICK_SECONDS = 18.0
# The same for one run in a sensor of a status, whose tick takes up to five runs. After the first that gets no answer
# from batch_jobs, all these sensors of the process pause.
RUN_SECONDS: Final = 6.0
PAUSE_SECONDS: Final = 30.0
_AFTER_A_CLOCK_THAT_WAS_AHEAD: Final = timedelta(days=1)


def build_sensors(
    *,
    open_repository: "OpenRepository",
    deployment: str,
    platforms: Mapping[str, str],
    job_type: str = "data_collection",
    names: Mapping[str, str] = NO_NAMES,
    secrets: Sequence[str] = (),
    history: timedelta = timedelta(days=30),
    locks_url: str | None = None,
    scope: Scope = DEPLOYMENT,
) -> list[SensorDefinition]:
    """The sensors of one deployment, all running from the start.

    `open_repository` leads to batch_jobs; nothing connects before a tick. `platforms` maps the key segments of tables
    to their platforms, in order, `names` to their entries. `secrets` are kept out of error texts. `history` is how far
    back the very first pass looks. `locks_url` is Dagster's PostgreSQL, which holds the heartbeats of runs. `scope` is
    what their names begin with.
    """
    about: About = {
        "platforms": platforms,
        "job_type": job_type,
        "names": names,
        "secrets": secrets,
        "scope": scope.name,
    }
    pause = _Pause()
    return [
        *(
            build_status_sensor(status, open_repository, deployment, about, pause, locks_url, scope)
            for status in STATUSES
        ),
        build_reconcile_sensor(open_repository, deployment, about, history=history, locks_url=locks_url, scope=scope),
    ]


def build_status_sensor(
    status: DagsterRunStatus,
    open_repository: "OpenRepository",
    deployment: str,
    about: "About",
    pause: "_Pause",
    locks_url: str | None,
    scope: Scope = DEPLOYMENT,
) -> RunStatusSensorDefinition:
    """The sensor that writes the row of each run that reaches `status`. `about` goes to `mirror_run`."""

    def evaluate(context: RunStatusSensorContext) -> None:
        from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of

        run_id = context.dagster_run.run_id
        if pause.is_on():
            context.log.warning("Run %s is left to %s: batch_jobs did not answer a moment ago", run_id, MIRROR_SENSOR)
            return
        try:
            with open_repository(RUN_SECONDS) as repository:
                repository.ensure_table()
                owner = owner_of(context.instance, deployment)
                outcome = mirror_run(context.instance, run_id, repository=repository, owner=owner, **about)
        except MirrorBusyError as error:
            pause.begin()
            if not _is_away(locks_url):
                raise
            context.log.warning("Run %s is left to %s: %s", run_id, MIRROR_SENSOR, error)
            return
        context.log.info("batch_jobs row of run %s: %s", run_id, outcome)

    return RunStatusSensorDefinition(
        name=scope.named(f"{internal_sensors.PREFIX}batch_jobs_{status.value.lower()}"),
        run_status=status,
        run_status_sensor_fn=evaluate,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=internal_sensors.description(
            f"records a run in batch_jobs as soon as it is {status.value}. Starts no runs."
        ),
        tags=internal_sensors.TAGS,
    )


def build_reconcile_sensor(
    open_repository: "OpenRepository",
    deployment: str,
    about: "About",
    *,
    history: timedelta,
    locks_url: str | None,
    scope: Scope = DEPLOYMENT,
) -> SensorDefinition:
    """The sensor that compares all runs with all rows, and fails runs whose process is gone. `about`: as above."""
    # Ids of runs that are not ours. Kept as long as the code server lives; after a restart they are found again.
    foreign: set[str] = set()

    def evaluate(context: SensorEvaluationContext) -> SkipReason:
        from aggregation_pipeline.batch_jobs.mirror import mirror_runs, owner_of
        from aggregation_pipeline.batch_jobs.reconcile import MAX_RETRIED_RUNS, reconcile

        instance, owner = context.instance, owner_of(context.instance, deployment)
        cursor = _cursor_of(context.cursor, history)
        orphaned = _fail_orphaned_runs(context, locks_url)
        try:
            with open_repository(TICK_SECONDS) as repository:
                created = repository.ensure_table()
                mirror_all = functools.partial(mirror_runs, instance, repository=repository, owner=owner, **about)
                result = reconcile(
                    instance,
                    repository,
                    mirror_all,
                    owner=owner,
                    watermark=cursor.watermark,
                    retry=cursor.retry,
                    foreign=foreign,
                )
        except MirrorBusyError as error:
            if not _is_away(locks_url):
                raise
            return SkipReason(f"{error}. Rows follow as soon as it answers")
        for run_id in orphaned:
            context.log.error("Run %s marked as failed: its process is gone", run_id)
        for run_id, why in result.refused.items():
            context.log.error("Run %s is not in batch_jobs yet: %s", run_id, why)
        # All rows are committed by now; before, the watermark must not move.
        retry = tuple(result.refused)[-MAX_RETRIED_RUNS:]
        after = MirrorCursor(result.watermark, retry, result.behind, result.lag_seconds, at=datetime.now(UTC))
        context.update_cursor(after.to_json())
        return SkipReason(_summary(result, created=created))

    return SensorDefinition(
        name=scope.named(MIRROR_SENSOR),
        evaluation_fn=evaluate,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=internal_sensors.description(
            "corrects every row of batch_jobs, whatever the other sensors missed, and shows the progress of running"
            " jobs. Starts no runs."
        ),
        tags=internal_sensors.TAGS,
    )


def _cursor_of(stored: str | None, history: timedelta) -> MirrorCursor:
    now = datetime.now(UTC)
    cursor = MirrorCursor.from_json(stored) if stored else MirrorCursor(now - history)
    if cursor.watermark > now + LATE_UPDATES / 2:
        # A clock is or was ahead. Until that time came, no run that ends would be looked at.
        return replace(cursor, watermark=now - min(history, _AFTER_A_CLOCK_THAT_WAS_AHEAD))
    return cursor


class _Pause:
    """A pause after batch_jobs did not answer: waiting for it once is enough."""

    def __init__(self) -> None:
        self._until = 0.0

    def begin(self) -> None:
        self._until = time.monotonic() + PAUSE_SECONDS

    def is_on(self) -> bool:
        return time.monotonic() < self._until


def _is_away(locks_url: str | None) -> bool:
    """Whether Dagster's own PostgreSQL does not answer either.

    Its storage then waits and says so once a minute; a failed tick would log a stack trace as well.
    """
    if locks_url is None:
        return False
    import sqlalchemy as sa

    from aggregation_pipeline.postgres.engine import create_engine

    try:
        with create_engine(locks_url, application_name="aggregation sensors", connect_timeout=2).connect():
            return False
    except sa.exc.OperationalError:
        return True


def _fail_orphaned_runs(context: SensorEvaluationContext, locks_url: str | None) -> list[str]:
    if locks_url is None:
        return []
    import sqlalchemy as sa

    from aggregation_pipeline.batch_jobs.reconcile import OPEN_STATUSES
    from aggregation_pipeline.postgres.engine import safe_reason
    from aggregation_pipeline.runs.heartbeat import fail_orphaned_runs

    try:
        records = context.instance.get_run_records(RunsFilter(statuses=OPEN_STATUSES))
        return fail_orphaned_runs(context.instance, records, locks_url)
    except sa.exc.SQLAlchemyError as error:
        # The rows are more urgent; an orphaned run is found at the next tick too.
        context.log.warning("The heartbeats of runs cannot be read: %s", safe_reason(error))
        return []


def _summary(result: "ReconcileResult", *, created: bool) -> str:
    parts = [f"{result.written} of {result.looked_at} runs brought up to date in batch_jobs"]
    if created:
        parts.insert(0, "Table public.batch_jobs created")
    if result.closed:
        parts.append(f"{result.closed} rows closed whose runs were deleted in Dagster")
    if result.refused:
        parts.append(f"{len(result.refused)} could not be recorded and are tried again: see the log")
    if not result.complete:
        parts.append("time is up, the rest follows")
    if result.behind:
        parts.append(f"the first run left has been waiting for {result.lag_seconds:.0f} s")
    return "; ".join(parts)

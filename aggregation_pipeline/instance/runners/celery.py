"""RUNNER=celery: whole runs are put into a queue of Redis, and workers on any machine take them from there.

Dagster's own `CeleryRunLauncher` sends what is to be executed, and asks Celery's results what became of it. Ours sends
the id of the run, and asks the lock that the run's process holds in PostgreSQL: it is gone when the process is, and
nothing that Redis forgets makes a run fail.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, ResumeRunContext, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_RUN_PRIORITY_TAG, DAGSTER_CELERY_TASK_ID_TAG
from typing_extensions import override

from aggregation_pipeline.errors import BrokerError, LaunchError
from aggregation_pipeline.instance.run_needs import with_missing_tags
from aggregation_pipeline.instance.runners.broker import (
    DEFAULT_QUEUE,
    QUEUE_TAG,
    TASK,
    Broker,
    broker_errors,
    broker_of,
)
from aggregation_pipeline.postgres.engine import safe_reason
from aggregation_pipeline.postgres.run_lock import (
    PROCESS_GONE,
    end_sessions,
    run_lock_if_free,
    runs_without_process,
)
from aggregation_pipeline.settings.base import load_part
from aggregation_pipeline.settings.postgres import PostgresSettings
from aggregation_pipeline.settings.runner import RunnerSettings, problem_of_queue

if TYPE_CHECKING:
    from celery import Celery

# Tries to send one message, within about a second; after it the run goes back into Dagster's queue.
_RETRIES: Final = {"max_retries": 2, "interval_start": 0.2, "interval_step": 0.2, "interval_max": 0.5}


class CeleryLauncher(CeleryRunLauncher):
    """Sends runs to workers, and ends them."""

    def __init__(
        self, broker_url: str, deployment: str, locks_url: str, inst_data: ConfigurableClassData | None = None
    ) -> None:
        super().__init__(DEFAULT_QUEUE, broker=broker_url, inst_data=inst_data)
        self._broker_url, self._deployment, self._locks_url = broker_url, deployment, locks_url

    @cached_property
    def redis(self) -> Broker:
        """The broker. The instance, whose id it needs, is known only after the launcher was built."""
        return broker_of(self._instance, self._broker_url, self._deployment)

    @cached_property
    def _app(self) -> "Celery":
        return self.redis.app()

    def launch_run(self, context: LaunchRunContext) -> None:
        """Put the run into its queue.

        Raises:
            LaunchError: its queue has a name that no queue has.
            DagsterUserCodeUnreachableError: Redis does not answer. Dagster puts the run back into its own queue.
        """
        # A run from the UI, a backfill or catch-up does not say its queue itself.
        run = with_missing_tags(self._instance, context)
        if problem := problem_of_queue(queue_of(run)):
            # Whoever may launch a run may give it any tag, and its message would lie where Celery keeps other things.
            raise LaunchError(f"the tag {QUEUE_TAG} of run {run.run_id} is refused: {problem}")
        try:
            self.send(run)
        except BrokerError as error:
            raise DagsterUserCodeUnreachableError(str(error)) from error

    def send(self, run: DagsterRun) -> None:
        """Send the message of a run. Two messages do no harm: the run begins once.

        Raises:
            BrokerError: Redis does not take it.
        """
        queue = queue_of(run)
        with broker_errors(self.redis.place):
            self._app.send_task(
                TASK, (run.run_id,), task_id=run.run_id, queue=queue, priority=_priority(run), retry_policy=_RETRIES
            )
        self._instance.add_run_tags(run.run_id, {DAGSTER_CELERY_TASK_ID_TAG: run.run_id})
        self._instance.report_engine_event(f"Waits for a worker in the queue {queue}.", run, cls=type(self))

    def terminate(self, run_id: str) -> bool:
        """Cancel a run. Its own process notices that within seconds; where there is none, the run has ended at once."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        with run_lock_if_free(self._locks_url, run_id) as has_no_process:
            self._instance.report_run_canceling(run)
            if has_no_process:
                self._instance.report_run_canceled(run)
        return True

    @property
    def supports_resume_run(self) -> bool:
        """Whether a run goes on in another process: never."""
        return False

    def resume_run(self, context: ResumeRunContext) -> None:
        """Never called."""
        raise NotImplementedError

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process lives."""
        try:
            gone = runs_without_process(self._locks_url, [run.run_id])
        except sa.exc.SQLAlchemyError as error:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"PostgreSQL does not answer: {safe_reason(error)}")
        if gone:
            end_sessions(self._locks_url, gone)
            return CheckRunHealthResult(WorkerStatus.FAILED, PROCESS_GONE)
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    @override
    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """Where the run was sent."""
        return f"It was sent to workers of the queue {queue_of(run)}"


def build(inst_data: ConfigurableClassData | None) -> CeleryLauncher:
    """Build the launcher from the environment.

    Raises:
        SettingsError: CELERY_BROKER_URL or DAGSTER_PG_URL is not set.
    """
    postgres = load_part(PostgresSettings)
    url = load_part(RunnerSettings).require_broker_url()
    return CeleryLauncher(url, postgres.deployment_name, postgres.require_dagster_url(), inst_data)


def queue_of(run: DagsterRun) -> str:
    """The queue of a run."""
    return run.tags.get(QUEUE_TAG) or DEFAULT_QUEUE


def _priority(run: DagsterRun) -> int:
    text = run.tags.get(DAGSTER_CELERY_RUN_PRIORITY_TAG, "0")
    return int(text) if text.isdecimal() else 0

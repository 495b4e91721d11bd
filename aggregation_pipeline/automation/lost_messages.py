"""RUNNER=celery: finds runs that wait for a worker and lie in no queue, and puts them back once.

Redis was emptied, a worker was killed between taking a message and starting its run, or one was frozen with it. A run
whose lock somebody holds is at work, and one whose message lies in a queue waits. Of every other run that is starting
the message is lost, if it is still so after a while: a worker needs some seconds to start a run's process.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from logging import Logger
from typing import TYPE_CHECKING, Final

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from aggregation_pipeline.errors import BrokerError
from aggregation_pipeline.runs.tags import HEARTBEAT_TAG, PUT_BACK_TAG, REQUEST_ID_TAG

if TYPE_CHECKING:
    from aggregation_pipeline.instance.runners.celery import CeleryLauncher

# For so long a run has to be nowhere.
LOST_SECONDS: Final = 30.0


class LostMessages:
    """What the sensor remembers from tick to tick. `locks_url` is Dagster's PostgreSQL."""

    def __init__(self, locks_url: str) -> None:
        self._locks_url = locks_url
        # When a run was first found to be nowhere, on the clock of this process.
        self._since: dict[str, float] = {}

    def put_back(self, instance: DagsterInstance, log: Logger) -> int:
        """Put back every run that is nowhere; return how many. Where Redis does not answer, nothing is known."""
        from aggregation_pipeline.instance.runners.celery import CeleryLauncher

        launcher = instance.run_launcher
        if not isinstance(launcher, CeleryLauncher):
            # Somebody has named another launcher in dagster.yaml.
            return 0
        _fail_unsubmitted(instance)
        try:
            lost = self._lost_runs(instance, launcher)
            return sum(self._put_back_one(instance, launcher, run, log) for run in lost)
        except BrokerError as error:
            log.warning("It is not known which runs wait for a worker: %s", error)
            return 0

    def _lost_runs(self, instance: DagsterInstance, launcher: "CeleryLauncher") -> Sequence[DagsterRun]:
        from aggregation_pipeline.instance.runners.celery import queue_of
        from aggregation_pipeline.postgres.run_lock import free_locks

        starting = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTING]))
        waiting = launcher.redis.waiting_runs({queue_of(run) for run in starting}) if starting else set()
        # A run that has had a process already is the reconciler's.
        candidates = [run for run in starting if run.run_id not in waiting and HEARTBEAT_TAG not in run.tags]
        free = set(free_locks(self._locks_url, [run.run_id for run in candidates]))
        now = time.monotonic()
        self._since = {run_id: self._since.get(run_id, now) for run_id in free}
        return [run for run in candidates if now - self._since.get(run.run_id, now) >= LOST_SECONDS]

    def _put_back_one(
        self, instance: DagsterInstance, launcher: "CeleryLauncher", lost: DagsterRun, log: Logger
    ) -> bool:
        from aggregation_pipeline.postgres.run_lock import run_lock_if_free

        # While the lock is held here, no process begins the run.
        with run_lock_if_free(self._locks_url, lost.run_id) as free:
            run = instance.get_run_by_id(lost.run_id) if free else None
            if run is None or run.status != DagsterRunStatus.STARTING:
                return False
            if PUT_BACK_TAG in run.tags:
                instance.report_run_failed(
                    run,
                    "No worker began this run, though it was sent twice: its messages are gone from Redis, or a worker"
                    " cannot start processes. Look at the workers' output, and at Redis' maxmemory-policy",
                )
                return False
            # The tag first: a run is put back once, whatever happens in between.
            instance.add_run_tags(run.run_id, {PUT_BACK_TAG: run.run_id})
            launcher.send(run)
        log.warning("Run %s was in no queue and with no worker: it is put back", run.run_id)
        self._since.pop(run.run_id, None)
        return True


def _fail_unsubmitted(instance: DagsterInstance) -> None:
    """Fail runs that were created and never queued, which Dagster's monitoring does for other runners."""
    from aggregation_pipeline.instance.run_launcher import Instance

    if not isinstance(instance, Instance):
        return
    patience = timedelta(seconds=instance.start_timeout_of_one_process)
    abandoned = RunsFilter(statuses=[DagsterRunStatus.NOT_STARTED], created_before=datetime.now(UTC) - patience)
    for run in instance.get_runs(abandoned):
        if REQUEST_ID_TAG not in run.tags:
            instance.report_run_failed(
                run, f"The run was created, and not queued within {patience.total_seconds():.0f} seconds"
            )

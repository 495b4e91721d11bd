"""Whether somebody is at work on what `upgrade` changes: runs, or a daemon."""

import time
from collections.abc import Callable

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

# Runs in the queue have no process: they wait for the new services.
_AT_WORK = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
# Each thread of the daemon stores a heartbeat every 30 seconds.
BEAT_SECONDS = 45.0
_POLL_SECONDS = 1.0
_SHOWN = 5


def runs_at_work(instance: DagsterInstance) -> str | None:
    """Return which runs are at work; None if there is none."""
    ids = [run.run_id for run in instance.get_runs(RunsFilter(statuses=_AT_WORK), limit=_SHOWN + 1)]
    if not ids:
        return None
    more = " and others" if len(ids) > _SHOWN else ""
    return (
        f"runs are at work: {', '.join(each[:8] for each in ids[:_SHOWN])}{more}. Wait for their end, or cancel them:"
        " stopping `serve` gives them STOP_SECONDS"
    )


def living_daemon(
    instance: DagsterInstance, report: Callable[[str], None], *, seconds: float = BEAT_SECONDS
) -> str | None:
    """Return that the daemon is at work; None once it has been silent for so many seconds, which may have to pass."""
    first = _last_beat(instance)
    if first is None:
        return None
    told = False
    while (silent := time.time() - first) < seconds:
        if not told:
            report(f"The daemon was at work {max(0, silent):.0f} s ago; looking whether it still is")
            told = True
        time.sleep(min(_POLL_SECONDS, seconds))
        if (_last_beat(instance) or first) > first:
            return "Dagster's daemon is at work. Stop the services first: Ctrl-C, or systemctl stop, ends `serve`"
    return None


def _last_beat(instance: DagsterInstance) -> float | None:
    return max((beat.timestamp for beat in instance.get_daemon_heartbeats().values()), default=None)

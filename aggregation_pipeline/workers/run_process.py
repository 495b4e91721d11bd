"""The process of one run of a worker: `python -m aggregation_pipeline.workers.run_process RUN_ID`.

It holds the run's lock from its beginning, and looks at the run's status under it. So of two messages about one run
only one begins it, whatever the broker delivers twice, and cancelling reaches it at any moment.

It ends at once with its worker, also if that is killed: so a worker that is started again has all its slots free, and
what befalls a worker is the same as what befalls its machine. Its standard input is a pipe whose other end only the
worker holds.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._cli.api import _execute_run_command_body
from dagster._utils.interrupts import capture_interrupts

from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.errors import LockError
from aggregation_pipeline.runs.heartbeat import hold_heartbeat
from aggregation_pipeline.runs.tags import HEARTBEAT_TAG
from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline.settings.code_snapshot import loaded_config_text
from aggregation_pipeline.settings.rules import RULES_TAG, differing, rules_of

# The exit codes of a process that has left the run alone, and why.
_UNKNOWN, _BUSY, _NOT_WAITING = 76, 77, 75
LEFT_ALONE: Final[Mapping[int, str]] = {
    _NOT_WAITING: "it has begun or ended already",
    _BUSY: "it is at work elsewhere, or PostgreSQL does not answer",
    _UNKNOWN: "ERROR: the PostgreSQL of this worker's DAGSTER_PG_URL does not know it. It was deleted, or this database"
    " is a copy of the one it is in. Give the copy a DEPLOYMENT_NAME or a Redis of its own",
}


def main(arguments: Sequence[str]) -> int:
    """Execute the run, unless it has begun or ended; return the exit code."""
    (run_id,) = arguments
    _end_with_worker()
    with capture_interrupts():
        settings = load_settings()
        try:
            with DagsterInstance.get() as instance, hold_heartbeat(settings.require_dagster_url(), run_id):
                run = instance.get_run_by_id(run_id)
                if run is None:
                    return _UNKNOWN
                if run.status != DagsterRunStatus.STARTING:
                    return _NOT_WAITING
                return _execute(instance, run, settings)
        except LockError:
            # Where PostgreSQL did not answer, the message is sent again.
            return _BUSY


def _end_with_worker() -> None:
    """Watch standard input: the kernel closes it when the worker ends. Then kill this process and its children."""
    worker = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)

    def watch() -> None:
        while os.read(worker, 1):
            pass
        # What a dead machine leaves behind is tested best, so this is no more orderly.
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="end with worker", daemon=True).start()


def _execute(instance: DagsterInstance, run: DagsterRun, settings: Settings) -> int:
    instance.add_run_tags(run.run_id, {HEARTBEAT_TAG: run.run_id})
    content = loaded_config_text(settings.aggregation_config or DEFAULT_CONFIG, settings.temp_dir)
    if others := differing(run.tags.get(RULES_TAG), rules_of(settings, content)):
        instance.report_run_failed(
            run,
            f"This worker has other rules than the code location that planned the run: {', '.join(others)} differ."
            " Give all machines the same version, aggregation.yaml and settings, and reload the code location",
        )
        return 1
    return _execute_run_command_body(run.run_id, instance, lambda _event: None, set_exit_code_on_failure=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What a worker does with the runs that it takes: a process each, watched to its end."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from dagster import DagsterError, DagsterInstance, DagsterRunStatus

from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.postgres.engine import safe_reason
from aggregation_pipeline.postgres.run_lock import run_lock_if_free
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.code_snapshot import VARIABLE, loaded_config_text
from aggregation_pipeline.workers import run_process

_COMMAND: Final = (sys.executable, "-m", run_process.__name__)
_ENDING_SECONDS: Final = 15.0
_OPEN: Final = (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)


class Slots:
    """The processes of the runs that are at work.

    Args of the constructor: `environment` is what they see; `config` is aggregation.yaml; `say` gets a line for
    whatever a user should know.
    """

    def __init__(
        self,
        instance: DagsterInstance,
        settings: Settings,
        config: Path,
        environment: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._instance, self._settings, self._config, self._say = instance, settings, config, say
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def at_work(self) -> list[str]:
        """The ids of the runs that have a process."""
        with self._lock:
            return list(self._processes)

    def execute(self, run_id: str) -> None:
        """Start the process of a run, and wait for its end."""
        with self._lock:
            if run_id in self._processes:
                self._say(f"Run {run_id} was left alone: it is at work here already")
                return
            process = self._start(run_id)
            self._processes[run_id] = process
        self._say(f"Run {run_id} began (process {process.pid})")
        try:
            # Leaving closes its standard input, which ends it.
            with process:
                code = process.wait()
        finally:
            with self._lock:
                self._processes.pop(run_id, None)
        if code in run_process.LEFT_ALONE:
            self._say(f"Run {run_id} was left alone: {run_process.LEFT_ALONE[code]}")
            return
        self._say(f"Run {run_id} ended ({'done' if code == 0 else f'exit code {code}'})")
        try:
            self._record_end(run_id, code)
        except (sa.exc.SQLAlchemyError, DagsterError) as error:
            # The reconciler finds the run by its lock.
            self._say(f"The end of run {run_id} is not recorded yet: {safe_reason(error)}")

    def interrupt(self) -> None:
        """Interrupt all runs; kill those that do not end within 15 seconds."""
        with self._lock:
            processes = list(self._processes.values())
        for process in processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING_SECONDS)
                continue
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _start(self, run_id: str) -> "subprocess.Popen[bytes]":
        # Under the lock: the copy that the process is to read is named in os.environ.
        os.environ.pop(VARIABLE, None)
        with suppress(ConfigError):
            loaded_config_text(self._config, self._settings.temp_dir)
        passed_on = {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}
        return subprocess.Popen(
            [*_COMMAND, run_id],
            env={**self._environment, **passed_on},
            # Nothing is ever written: it is how the process notices that its worker is gone.
            stdin=subprocess.PIPE,
            # Ctrl-C in a terminal reaches the worker alone, which waits for its runs.
            start_new_session=True,
        )

    def _record_end(self, run_id: str, code: int) -> None:
        """Mark the run as ended if its process did not: it was killed, or could not load its code.

        Where another process has the run's lock, the run is its own.
        """
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        words = f"The process of this run {how}, and left no message. Look at the worker's own output"
        with run_lock_if_free(self._settings.require_dagster_url(), run_id) as free:
            run = self._instance.get_run_by_id(run_id) if free else None
            if run is None or run.status not in _OPEN:
                return
            if run.status == DagsterRunStatus.CANCELING:
                self._instance.report_run_canceled(run)
            else:
                self._instance.report_run_failed(run, words)

"""Notices that aggregation.yaml has changed, and proves in a process apart that it can be loaded.

Dagster ends the old server on a reload even if the new one cannot load its code. So the code server is asked for a
reload only after the proof. Until then, what was loaded before goes on.

Somebody who asks for a reload in the UI may want it with a mistake in an entry, which stops that table only.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from aggregation_pipeline.services import loaded_config_digests, trial_load

# As long as a code server may take.
_TRIAL_SECONDS: Final = 180
_LONGEST_REASON: Final = 600


def why_not_loadable(definitions: tuple[str, str]) -> str | None:
    """Return why the code server could not load its code now; None if it could. This takes some seconds.

    `definitions` are the module and the name in it. It has to have this process' environment and folder.
    """
    try:
        trial = subprocess.run(
            [*_command(definitions)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, timeout=_TRIAL_SECONDS, check=False, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "it takes too long to load"
    return None if trial.returncode == 0 else _one_line(trial.stdout)


def _command(definitions: tuple[str, str]) -> list[str]:
    return [sys.executable, "-m", trial_load.__name__, *definitions]


def _one_line(reason: str) -> str:
    return "; ".join(line.strip() for line in reason.splitlines() if line.strip())[:_LONGEST_REASON]


class ChangedConfig:
    """Call `is_ready` every few seconds while the code server has loaded its code.

    Args of the constructor: `record` says what was loaded; `definitions` are the module and the name in it that the
    trial loads; `environment` and `folder` are those of the code server; `say` gets a line for whatever a user should
    know.
    """

    def __init__(
        self,
        record: Path,
        definitions: tuple[str, str],
        environment: Mapping[str, str],
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self._record = record
        self._command = [*_command(definitions), trial_load.EVERY_ENTRY]
        self._environment, self._folder, self._say = dict(environment), folder, say
        self._trial: subprocess.Popen[str] | None = None
        self._give_up_at = 0.0
        self._seen: str | None = None
        self._tried: str | None = None

    def is_ready(self) -> bool:
        """Return whether the file has changed and can be loaded. This does not wait for the trial."""
        # `.env` is the first of them. The daemon and the web process read it at their start only, so a change of it
        # waits for a restart.
        files = list(loaded_config_digests.read_record(self._record).items())
        if len(files) < 2:
            return False
        file, loaded = files[-1]
        now = loaded_config_digests.digests([file])[file] or "missing"
        # Somebody may be in the middle of writing it.
        is_stable, self._seen = now == self._seen, now
        if now == loaded:
            # Whoever makes the same mistake again is told again.
            self._tried = None
        if self._trial is not None:
            return self._judge(file, now, is_loaded=now == loaded)
        if is_stable and now not in (loaded, self._tried):
            self._tried = now
            # If no process can be started at the moment, the next change is tried.
            with suppress(OSError):
                self._start()
        return False

    def stop(self) -> None:
        """End a trial that is under way."""
        if self._trial is not None:
            self._trial.kill()
            self._trial.communicate()
            self._trial = None

    def _start(self) -> None:
        self._give_up_at = time.monotonic() + _TRIAL_SECONDS
        self._trial = subprocess.Popen(
            self._command,
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # The load of the code server logs the same warnings.
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def _judge(self, file: str, now: str, *, is_loaded: bool) -> bool:
        trial = self._trial
        if trial is None:
            return False
        if trial.poll() is None:
            if time.monotonic() > self._give_up_at:
                self.stop()
                self._say(f"{file} has changed and takes too long to load. What was loaded before goes on")
            return False
        reason, _ = trial.communicate()
        self._trial = None
        if now != self._tried or is_loaded:
            # It has changed again, and the next look begins anew; or somebody has asked for a reload meanwhile.
            return False
        if trial.returncode == 0:
            self._say(f"{file} has changed: the code server loads it")
            return True
        self._say(f"{file} has changed and cannot be loaded, so what was loaded before goes on: {_one_line(reason)}")
        return False

"""One service: a child process that is started again whenever it ends.

Each service leads a session of its own. So Ctrl-C in a terminal reaches only the supervisor, which then ends its
services in order. It also keeps the signal settings of the user's shell away from them: signals that the supervisor
handles have their defaults in what it starts.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_POLL_SECONDS: Final = 0.05


@dataclass
class Service:
    """What to start, and the process that runs.

    Attributes:
        environment: all variables that the process sees.
        say: gets a line for whatever a user should know.
        pause: how many seconds the next restart waits.
        stdin: as in `subprocess`: a file descriptor, or nothing to read.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    say: Callable[[str], None]
    process: "subprocess.Popen[bytes] | None" = None
    pause: float = field(default=_FIRST_PAUSE)
    stdin: int = subprocess.DEVNULL
    _started_at: float = 0.0
    _not_before: float = 0.0
    # Groups of ended processes that still have members. While a group has one, the kernel does not reuse its number.
    _old_groups: list[int] = field(default_factory=list)

    def start(self) -> None:
        """Start the process now."""
        self._started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command, env=dict(self.environment), cwd=self.folder, stdin=self.stdin, start_new_session=True
        )

    def keep(self) -> None:
        """Start the process again if it has ended and its pause is over. Call this in a loop."""
        self._reap_orphans()
        self._old_groups = [group for group in self._old_groups if _has_members(group)]
        if self.process is None:
            if time.monotonic() >= self._not_before:
                try:
                    self.start()
                except OSError as error:
                    # No memory, or no process number, is free at the moment.
                    self.say(f"The {self.name} cannot be started ({error.strerror}): next try in {self.pause:.0f} s")
                    self._put_off()
            return
        code = self.process.poll()
        if code is None:
            return
        if time.monotonic() - self._started_at > _LONGEST_PAUSE:
            self.pause = _FIRST_PAUSE
        self.say(f"The {self.name} ended ({_describe_exit(code)}) and is started again in {self.pause:.0f} s")
        # It may have been killed alone: the runs of a code server go on without it.
        self._old_groups.append(self.process.pid)
        self.process = None
        self._put_off()

    def _put_off(self) -> None:
        self._not_before = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, _LONGEST_PAUSE)

    def end(self, number: signal.Signals, seconds: float) -> bool:
        """Signal the process and wait; return whether it has ended."""
        if self.process is None:
            return True
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds: float) -> bool:
        """Wait for the process to end; return whether it has."""
        if self.process is None:
            return True
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end_group(self, number: signal.Signals, seconds: float) -> bool:
        """As `end`, for everything that this process, or one before it, has started."""
        for group in self._groups():
            _signal_group(group, number)
        return self.wait_group(seconds)

    def wait_group(self, seconds: float, *, enough: Callable[[], bool] = lambda: False) -> bool:
        """As `wait`, for everything that this process, or one before it, has started, unless that is `enough`."""
        deadline = time.monotonic() + seconds
        while True:
            if self.process is not None:
                # Otherwise it stays in its group as a zombie.
                self.process.poll()
            self._reap_orphans()
            if not any(_has_members(group) for group in self._groups()):
                return True
            if enough() or time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)

    def _reap_orphans(self) -> None:
        """Reap what an ended process has left, once that ends too.

        The kernel hands orphans to the first process of a container. If that is the supervisor, nobody else reaps them.
        """
        is_over = self.process is not None and self.process.returncode is not None
        for group in self._groups() if is_over else self._old_groups:
            with suppress(ChildProcessError):
                while os.waitpid(-group, os.WNOHANG)[0]:
                    pass

    def _groups(self) -> list[int]:
        return [*self._old_groups, *([] if self.process is None else [self.process.pid])]


def _signal_group(group: int, number: signal.Signals) -> None:
    # macOS says EPERM of a group in which all processes have ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _describe_exit(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

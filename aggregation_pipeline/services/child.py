"""A child process that is started again whenever it ends.

Each is the leader of a session of its own: Ctrl-C in a terminal reaches the supervisor alone, which then ends them in
its order. What an earlier shell made of SIGINT and SIGTERM does not reach them either: signals that the supervisor
handles are at their defaults in whatever it starts.
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
class Child:
    """One service. `environment` is all that it sees; `pause` is how many seconds the next start waits after an end.

    `stdin` is as in `subprocess`: a file descriptor, or nothing to read.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    say: Callable[[str], None]
    process: "subprocess.Popen[bytes] | None" = None
    pause: float = field(default=_FIRST_PAUSE)
    stdin: int = subprocess.DEVNULL
    _began: float = 0.0
    _not_before: float = 0.0

    def start(self) -> None:
        """Start it now."""
        self._began = time.monotonic()
        self.process = subprocess.Popen(
            self.command, env=dict(self.environment), cwd=self.folder, stdin=self.stdin, start_new_session=True
        )

    def keep(self) -> None:
        """Start it again when it has ended and its pause is over; to be called again and again."""
        if self.process is None:
            if time.monotonic() >= self._not_before:
                self.start()
            return
        code = self.process.poll()
        if code is None:
            return
        if time.monotonic() - self._began > _LONGEST_PAUSE:
            self.pause = _FIRST_PAUSE
        self.say(f"The {self.name} ended ({_ending(code)}) and is started again in {self.pause:.0f} s")
        self.process = None
        self._not_before = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, _LONGEST_PAUSE)

    def end(self, how: signal.Signals, seconds: float) -> bool:
        """Ask it to end, and wait; whether it has ended."""
        if self.process is None:
            return True
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
        return self.wait(seconds)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it has ended."""
        if self.process is None:
            return True
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end_group(self, how: signal.Signals, seconds: float) -> bool:
        """The same for whatever it has started too and is still there."""
        if self.process is None:
            return True
        deadline = time.monotonic() + seconds
        try:
            os.killpg(self.process.pid, how)
            while time.monotonic() < deadline:
                self.process.poll()
                os.killpg(self.process.pid, 0)
                time.sleep(_POLL_SECONDS)
        except (ProcessLookupError, PermissionError):
            # macOS says EPERM of a group that has nothing but ended processes left.
            self.wait(seconds)
            return True
        return False


def _ending(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

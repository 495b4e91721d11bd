"""Log lines that a service and all its child processes write once together.

Dagster's daemon loads the code again each minute, and every run loads it in its own process; each load would log the
same warnings. A small file records what was logged, and when. A variable that child processes inherit names the file.
"""

import atexit
import logging
import os
import tempfile
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

_VARIABLE: Final = "AGGREGATION_LOG_RECORD"
_FOR_EVER: Final = 1e12
_PREFIX: Final = "aggregation-log-record-"


def begin_log_record() -> bool:
    """Create the record of this process and its children; False where a parent process has created it already."""
    if os.environ.get(_VARIABLE):
        return False
    folder = Path(tempfile.gettempdir())
    _remove_leftovers(folder)
    # A new file that only we can open: other users who may write in this folder cannot put a link in its place.
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=folder)
        os.close(descriptor)
        os.environ[_VARIABLE] = name
        atexit.register(_remove, os.getpid(), Path(name))
    return True


def log_once(log: logging.Logger, level: int, text: str) -> None:
    """Log `text`, unless it was logged before."""
    if claim_log_line(text, every=_FOR_EVER):
        log.log(level, "%s", text)


def claim_log_line(text: str, *, every: float) -> bool:
    """Whether the caller is to log `text` now: nobody has in the last `every` seconds. If so, it counts as logged."""
    begin_log_record()
    if seconds_since_logged(text) < every:
        return False
    with suppress(OSError), _file().open("a", encoding="ascii") as file:
        file.write(f"{_checksum(text)} {time.time():.3f}\n")
    return True


def seconds_since_logged(text: str) -> float:
    """How long ago `text` was logged; infinity for never."""
    try:
        logged_at = dict(line.split() for line in _file().read_text(encoding="ascii").splitlines())
    except OSError:
        return float("inf")
    return time.time() - float(logged_at.get(_checksum(text), "-inf"))


def _file() -> Path:
    # A path that no file can have, where none could be created.
    return Path(os.environ.get(_VARIABLE) or "/dev/null/none")


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _remove_leftovers(folder: Path) -> None:
    """Remove the files of processes that were killed."""
    for file in folder.glob(f"{_PREFIX}*-*"):
        pid = file.name.removeprefix(_PREFIX).partition("-")[0]
        with suppress(OSError):
            if pid.isdecimal() and file.stat().st_uid == os.getuid() and not _is_running(int(pid)):
                file.unlink()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(pid: int, file: Path) -> None:
    # Forked children run this too when they exit.
    if os.getpid() == pid:
        file.unlink(missing_ok=True)

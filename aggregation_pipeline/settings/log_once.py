"""What each load of the code would say again: said once by a service and everything that it starts.

Dagster's daemon loads the code anew each minute, and every run loads it in a process of its own. What a service has
said, and when, stands in a small file, named by a variable that its children inherit.
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

_VARIABLE: Final = "AGGREGATION_TOLD"
_EVER: Final = 1e12
_PREFIX: Final = "aggregation-told-"


def begin_log_record() -> bool:
    """Let this process and everything that it starts from now on say things once, together; False where a parent has
    begun before.
    """
    if os.environ.get(_VARIABLE):
        return False
    folder = Path(tempfile.gettempdir())
    _sweep(folder)
    # Made anew and closed to others: whoever else may write there must not lead it elsewhere.
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=folder)
        os.close(descriptor)
        os.environ[_VARIABLE] = name
        atexit.register(_end, os.getpid(), Path(name))
    return True


def log_once(log: logging.Logger, level: int, text: str) -> None:
    """Log `text`, unless it was said before."""
    if is_due(text, every=_EVER):
        log.log(level, "%s", text)


def is_due(text: str, *, every: float) -> bool:
    """Whether `text` was not said in the last `every` seconds; if so, it counts as said now."""
    begin_log_record()
    if seconds_since_logged(text) < every:
        return False
    with suppress(OSError), _file().open("a", encoding="ascii") as file:
        file.write(f"{_mark(text)} {time.time():.3f}\n")
    return True


def seconds_since_logged(text: str) -> float:
    """How long ago `text` was said."""
    try:
        said = dict(line.split() for line in _file().read_text(encoding="ascii").splitlines())
    except OSError:
        return float("inf")
    return time.time() - float(said.get(_mark(text), "-inf"))


def _file() -> Path:
    # A path of no file, where none could be made.
    return Path(os.environ.get(_VARIABLE) or "/dev/null/none")


def _mark(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _sweep(folder: Path) -> None:
    """Remove the files of processes that were killed."""
    for left in folder.glob(f"{_PREFIX}*-*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        with suppress(OSError):
            if pid.isdecimal() and left.stat().st_uid == os.getuid() and not _lives(int(pid)):
                left.unlink()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _end(pid: int, file: Path) -> None:
    # Children that were forked end by this as well.
    if os.getpid() == pid:
        file.unlink(missing_ok=True)

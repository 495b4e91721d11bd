"""A folder of one supervisor: its code server's socket lies there, and it shows which of its services live."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from aggregation_pipeline.tempfiles.owner_lock import claim, take_over

# A path of a unix socket holds a hundred bytes or so.
_LONGEST_SOCKET: Final = 90
_SHORT: Final = Path("/tmp")  # noqa: S108  what is made there is closed to others
_FOLDER, _MARK = "aggregation-services-", "in-use"
# A service that lives has claimed `<its name>.service.<its process>`.
_SERVICE: Final = ".service"
_POLL_SECONDS: Final = 0.1
_KILLED_SECONDS: Final = 5.0


def place_of(folder: Path, name: str) -> Path:
    """Where the service of this name shows that it lives."""
    return folder / f"{name}{_SERVICE}"


@contextmanager
def private_folder(say: Callable[[str], None], *, grace: float, patient: str) -> Iterator[Path]:
    """A folder that nobody else may enter: whoever reaches the socket of a code server can have it run things.

    What supervisors that were killed have left goes first: their services end by themselves, and those that are there
    after `grace` seconds are killed. Only the service called `patient` is left to end the runs that it has; its folder
    stays as long.
    """
    bases = {Path(tempfile.gettempdir()), _SHORT}
    for left in [left for base in bases for left in base.glob(f"{_FOLDER}*")]:
        if (mark := take_over(left / _MARK)) is not None:
            with mark:
                if _ended(left, say, grace, patient):
                    shutil.rmtree(left, ignore_errors=True)
    folder, mark = _claimed_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        mark.close()


def _claimed_folder() -> tuple[Path, IO[bytes]]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_FOLDER))
        if len(str(folder)) > _LONGEST_SOCKET:
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=_SHORT))
        # None: another supervisor, which just starts, took it for a dead one's.
        if (mark := claim(folder / _MARK)) is not None:
            return folder, mark


def _ended(left: Path, say: Callable[[str], None], grace: float, patient: str) -> bool:
    """See to the end of the services of a dead supervisor; whether none is left."""
    living = _living(left)
    if living:
        say(
            "A supervisor was killed and has left"
            f" {', '.join(f'the {name} (process {pid})' for pid, name in living.items())}"
        )
    for pid, name in _wait(left, grace, patient).items():
        say(f"The {name} (process {pid}) does not end and is killed")
        # macOS says EPERM of a group that has nothing but ended processes left.
        with suppress(ProcessLookupError, PermissionError):
            # Each leads a group: what it has started goes with it.
            os.killpg(pid, signal.SIGKILL)
    _wait(left, _KILLED_SECONDS, patient)
    remaining = _living(left)
    for pid, name in remaining.items():
        if name == patient:
            say(f"The {name} (process {pid}) ends when the last of its runs has ended")
    return not remaining


def _wait(left: Path, seconds: float, patient: str) -> dict[int, str]:
    """Those but the patient one that are still there after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        still = {pid: name for pid, name in _living(left).items() if name != patient}
        if not still or time.monotonic() > deadline:
            return still
        time.sleep(_POLL_SECONDS)


def _living(folder: Path) -> dict[int, str]:
    """The names of the services that live, by their process. The claim goes with the process, so the number cannot be
    another's by now.
    """
    living = {}
    for path in folder.glob(f"*{_SERVICE}.*"):
        claimed = take_over(path)
        if claimed is None:
            living[int(path.suffix[1:])] = path.name.removesuffix(f"{_SERVICE}{path.suffix}")
        else:
            claimed.close()
    return living

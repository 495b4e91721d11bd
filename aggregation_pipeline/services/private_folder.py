"""The private folder of a supervisor: the code server's socket lies there, and claims show which services run."""

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

# The path of a unix socket holds about a hundred bytes.
_LONGEST_FOLDER: Final = 90
_SHORT_BASE: Final = Path("/tmp")  # noqa: S108 - what is made there is closed to others
_PREFIX: Final = "aggregation-services-"
_IN_USE: Final = "in-use"
# A running service has claimed the file `<its name>.service.<its process id>`.
_SERVICE: Final = ".service"
_POLL_SECONDS: Final = 0.1
_KILLED_SECONDS: Final = 5.0


def claim_path(folder: Path, name: str) -> Path:
    """Return the path of a service's claim, without its process id."""
    return folder / f"{name}{_SERVICE}"


@contextmanager
def private_folder(say: Callable[[str], None], *, grace: float, patient: str) -> Iterator[Path]:
    """Make a folder that nobody else may enter: whoever reaches a code server's socket can have it run things.

    First, what killed supervisors have left is removed. Their services end by themselves; those that still run after
    `grace` seconds are killed. Only the service called `patient` may finish its runs. Its folder stays until the end of
    this supervisor, or of a later one.
    """
    _remove_left_folders(lambda left: _end_services(left, say, grace, patient))
    folder, mark = _claimed_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        mark.close()
        _remove_left_folders(lambda left: not _running_services(left))


def claims_of_running_services() -> Iterator[tuple[str, int, Path]]:
    """Yield name, process id and claim of each service of any supervisor whose folder this user may enter."""
    for folder in _all_folders():
        for pid, name in _running_services(folder).items():
            yield name, pid, Path(f"{claim_path(folder, name)}.{pid}")


def _all_folders() -> list[Path]:
    bases = {Path(tempfile.gettempdir()), _SHORT_BASE}
    return [folder for base in bases for folder in base.glob(f"{_PREFIX}*")]


def _remove_left_folders(is_free: Callable[[Path], bool]) -> None:
    """Remove the folders of killed supervisors in which no service runs any more."""
    for left in _all_folders():
        if (mark := take_over(left / _IN_USE)) is not None:
            with mark:
                if is_free(left):
                    shutil.rmtree(left, ignore_errors=True)


def _claimed_folder() -> tuple[Path, IO[bytes]]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        if len(str(folder)) > _LONGEST_FOLDER:
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_SHORT_BASE))
        # None: another supervisor that is just starting thought that a dead one had left the folder, and took it.
        if (mark := claim(folder / _IN_USE)) is not None:
            return folder, mark


def _end_services(folder: Path, say: Callable[[str], None], grace: float, patient: str) -> bool:
    """End the services of a dead supervisor; return whether none is left."""
    running = _running_services(folder)
    if running:
        services = ", ".join(f"the {name} (process {pid})" for pid, name in running.items())
        say(f"A supervisor was killed and has left {services}")
    for pid, name in _wait(folder, grace, patient).items():
        say(f"The {name} (process {pid}) does not end and is killed")
        # macOS says EPERM of a group in which all processes have ended.
        with suppress(ProcessLookupError, PermissionError):
            # Each service leads a group: what it has started ends with it.
            os.killpg(pid, signal.SIGKILL)
    _wait(folder, _KILLED_SECONDS, patient)
    remaining = _running_services(folder)
    for pid, name in remaining.items():
        if name == patient:
            say(f"The {name} (process {pid}) ends when the last of its runs has ended")
    return not remaining


def _wait(folder: Path, seconds: float, patient: str) -> dict[int, str]:
    """Wait for all services but the patient one; return those that still run after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        running = {pid: name for pid, name in _running_services(folder).items() if name != patient}
        if not running or time.monotonic() > deadline:
            return running
        time.sleep(_POLL_SECONDS)


def _running_services(folder: Path) -> dict[int, str]:
    """Return the names of the running services by their process ids.

    A claim ends with its process, so the id cannot belong to another process by now.
    """
    running = {}
    for path in folder.glob(f"*{_SERVICE}.*"):
        claimed = take_over(path)
        if claimed is None:
            running[int(path.suffix[1:])] = path.name.removesuffix(f"{_SERVICE}{path.suffix}")
        else:
            claimed.close()
    return running

"""The code server's socket where the services of other supervisors find it, and marks of who runs what.

`serve --only` runs each service under a supervisor of its own, as units or containers do. They meet in one folder.
There is one code server and one daemon, and any number of web processes.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.tempfiles.owner_lock import claim, take_over

_NAME: Final = "code.sock"
_SUFFIX: Final = ".sock"
_IN_USE: Final = "in-use"
_DAEMON: Final = "daemon-in-use"
# The path of a unix socket holds about a hundred bytes.
_LONGEST_FOLDER: Final = 85


def shared_socket(folder: Path) -> Path:
    """Return the path of the socket in `folder`, which is made if it is missing. There may be no socket yet.

    Raises:
        SettingsError: somebody else could enter the folder, and so use the code server; or its path is too long.
    """
    if len(os.fsencode(folder)) > _LONGEST_FOLDER:
        raise SettingsError(
            f"{folder} is too long a path for a socket ({_LONGEST_FOLDER} bytes are the most): choose a shorter"
            " DAGSTER_HOME."
        )
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be made ({error.strerror}): let this user write to DAGSTER_HOME."
        ) from error
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise SettingsError(
            f"{folder} is not a folder of the user who runs this, so others could use the code server in it. Remove it,"
            " and run all services as one user."
        )
    folder.chmod(0o700)
    return folder / _NAME


@contextmanager
def offered_socket(folder: Path) -> Iterator[Path]:
    """Yield where the code server has to listen, so that it is found at `shared_socket(folder)`.

    Each start has a socket of its own: gRPC removes its socket when it ends, and one that a killed supervisor has left
    may still be at its last run.

    Raises:
        SettingsError: as for `shared_socket`; or another supervisor offers its code server there.
    """
    shared = shared_socket(folder)
    with _only_one(folder / _IN_USE, "code server"):
        for left in folder.glob(f"*{_SUFFIX}"):
            left.unlink()
        own = folder / f"{secrets.token_hex(4)}{_SUFFIX}"
        # Relative, so that it holds in a container that has the folder elsewhere.
        shared.symlink_to(own.name)
        try:
            yield own
        finally:
            for path in (shared, own):
                path.unlink(missing_ok=True)


@contextmanager
def only_daemon(folder: Path) -> Iterator[None]:
    """Be the only supervisor that runs a daemon for the services that meet in `folder`.

    Two daemons would each look at every schedule, sensor and run in the queue.

    Raises:
        SettingsError: as for `shared_socket`; or another supervisor runs a daemon.
    """
    shared_socket(folder)
    with _only_one(folder / _DAEMON, "daemon"):
        yield


@contextmanager
def _only_one(mark: Path, service: str) -> Iterator[None]:
    file = take_over(mark)
    with suppress(FileExistsError):
        file = file or claim(mark)
    if file is None:
        raise SettingsError(
            f"Another `aggregation-pipeline serve` runs the {service} of {mark.parent.parent}. Stop that one first; if"
            f" none does, remove {mark}."
        )
    with file:
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

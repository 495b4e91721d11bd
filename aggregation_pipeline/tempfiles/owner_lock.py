"""Files that tell by a lock whether their maker lives: what a killed process left can be told from what is in use.

The lock goes with the process, however it ends, and on a network file system it holds for other machines too. Where a
file system has no locks nothing is ever taken for left, and so nothing is swept.
"""

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import IO


def claim(path: Path) -> IO[bytes] | None:
    """A new file at `path`, this process's for as long as it is open. None where somebody took it for left before it
    was locked.

    Raises OSError, among them FileExistsError, where it cannot be made.
    """
    file = path.open("xb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError:  # no locks here
        return file
    if path.exists():
        return file
    file.close()
    return None


def take_over(path: Path) -> IO[bytes] | None:
    """The file at `path`, if its maker is dead; None while it lives, where that cannot be told, and when the file is
    gone.
    """
    with suppress(OSError):
        file = path.open("r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
        else:
            if path.exists():
                return file
            file.close()
    return None

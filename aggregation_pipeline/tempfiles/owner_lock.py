"""Files whose lock shows whether their owner lives, so that leftovers of killed processes can be removed.

The lock ends with the process, however that ends. On a network file system it holds for other machines too. Where a
file system has no locks, nothing counts as a leftover, and nothing is removed.
"""

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import IO


def claim(path: Path) -> IO[bytes] | None:
    """Make a file at `path` and lock it for as long as it is open.

    Returns None where another process took it for a leftover before it was locked.

    Raises:
        OSError: the file cannot be made; FileExistsError where there is one already.
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
    """Open and lock the file at `path` if its owner is dead.

    Returns None while the owner lives, where that cannot be known, and when the file is gone.
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

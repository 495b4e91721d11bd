"""Files that are written whole or not at all."""

import os
import stat
import tempfile
from pathlib import Path

_SUPERUSER = 0


def write_whole(path: Path, content: bytes, *, new_mode: int) -> None:
    """Replace a file, or make it with the mode `new_mode`; at every moment the path holds the old content or the new.

    A symbolic link stays one, and what it leads to is replaced. Mode and, for the superuser, owner stay.

    Raises:
        OSError: the file cannot be written; it is then as it was.
    """
    real = Path(os.path.realpath(path))
    former = real.stat() if real.exists() else None
    # Made with mode 0600.
    descriptor, name = tempfile.mkstemp(prefix=f".{real.name}.", suffix=".new", dir=real.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if os.geteuid() == _SUPERUSER:
                like = former or real.parent.stat()
                os.fchown(file.fileno(), like.st_uid, like.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(former.st_mode) if former else new_mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(real)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

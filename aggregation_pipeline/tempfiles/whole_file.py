"""Files that are written whole or not at all."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_SUPERUSER = 0
_SUFFIX = ".new"


def leftovers(path: Path) -> Iterator[Path]:
    """What processes that were killed while they wrote `path`, which is no link, have left beside it."""
    return path.parent.glob(f".{path.name}.*{_SUFFIX}")


def give_to_owner_of(path: Path, descriptor: int) -> None:
    """Let others read what the superuser writes: a file belongs to whom the former one, or the folder, does."""
    if os.geteuid() == _SUPERUSER:
        like = path.stat() if path.exists() else path.parent.stat()
        os.fchown(descriptor, like.st_uid, like.st_gid)


def refuse_special(path: Path) -> None:
    """Refuse what is there and is no regular file: the superuser would replace /dev/null for the whole machine.

    Raises:
        OSError: says so.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file")


def write_whole(path: Path, content: bytes, *, new_mode: int, keep_mode: bool = True) -> None:
    """Replace a file, or make it with the mode `new_mode`; at every moment the path holds the old content or the new.

    A symbolic link stays one, and what it leads to is replaced. For the superuser the owner stays. The mode stays
    too, unless `keep_mode` is off: then it becomes `new_mode`.

    Raises:
        OSError: the file cannot be written, or the path is a device, a pipe or a folder; it is then as it was.
    """
    real = Path(os.path.realpath(path))
    refuse_special(real)
    kept = stat.S_IMODE(real.stat().st_mode) if keep_mode and real.exists() else new_mode
    # Made with mode 0600.
    descriptor, name = tempfile.mkstemp(prefix=f".{real.name}.", suffix=_SUFFIX, dir=real.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            give_to_owner_of(real, file.fileno())
            os.fchmod(file.fileno(), kept)
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

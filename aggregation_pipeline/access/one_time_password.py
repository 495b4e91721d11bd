"""The file with the password of the first account, until that is changed."""

import os
from pathlib import Path
from typing import Final

_NAME: Final = "admin-password"


def one_time_password_file(auth_file: Path) -> Path:
    """Return where the first password is written."""
    return auth_file.with_name(_NAME)


def write_one_time_password(auth_file: Path, password: str) -> None:
    """Write it, so that only the owner can read it.

    Raises:
        OSError: the file cannot be made.
    """
    path = one_time_password_file(auth_file)
    # A file or a link that somebody else has put there is not written through.
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password + "\n")
        file.flush()
        os.fsync(file.fileno())


def remove_one_time_password(auth_file: Path) -> None:
    """Remove the file, if there is one, since it holds no password any more."""
    one_time_password_file(auth_file).unlink(missing_ok=True)

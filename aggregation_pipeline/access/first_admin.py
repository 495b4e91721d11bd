"""The first account of a service that other machines reach."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aggregation_pipeline.access.auth_file import AuthData, edit_auth_file, read_auth_file
from aggregation_pipeline.access.editing import with_new_user
from aggregation_pipeline.access.one_time_password import one_time_password_file, write_one_time_password
from aggregation_pipeline.access.passwords import LONGEST_PASSWORD, new_password_hash
from aggregation_pipeline.access.roles import Role
from aggregation_pipeline.errors import AccessError

FIRST_ADMIN: Final = "admin"


@dataclass(frozen=True)
class FirstAdmin:
    """The account that was made.

    Attributes:
        password_file: where its password stands: the one-time file that was made, or ADMIN_PASSWORD_FILE.
    """

    name: str
    password_file: Path


def first_admin(auth_file: Path, admin_password_file: Path | None) -> FirstAdmin | None:
    """Make the account `admin` where there is none at all; None where there is one.

    Its password is that of `admin_password_file`, else a random one, which is written into a file beside AUTH_FILE with
    mode 0600. It has to be changed at the first sign-in; the file that was made is removed then. Log the path, never
    the password. Call it only where the service is not on loopback.

    Raises:
        AccessError: a file cannot be read or written, or the password is refused.
    """
    if (existing := read_auth_file(auth_file)) is not None and existing.users:
        return None
    password = _read(admin_password_file) if admin_password_file else secrets.token_urlsafe(18)
    hashed = new_password_hash(password, user=FIRST_ADMIN)
    file = admin_password_file or one_time_password_file(auth_file)
    made = False

    def change(data: AuthData) -> AuthData:
        nonlocal made
        # Two services may start at once.
        if data.users:
            return data
        if admin_password_file is None:
            write_one_time_password(auth_file, password)
        made = True
        return with_new_user(data, FIRST_ADMIN, Role.ADMIN, hashed, must_change=True)

    edit_auth_file(auth_file, change)
    return FirstAdmin(FIRST_ADMIN, file) if made else None


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(4 * LONGEST_PASSWORD).removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise AccessError(f"ADMIN_PASSWORD_FILE={path} is no text in UTF-8") from None
    except OSError as error:
        raise AccessError(f"ADMIN_PASSWORD_FILE={path} cannot be read: {error.strerror}") from None

"""AUTH_FILE, by default auth.json in DAGSTER_HOME: accounts and tokens, so that both work while PostgreSQL is away.

It holds hashes, no passwords and no tokens. It is only ever replaced as a whole: who reads it sees the old or the new
one, also where the writer was killed.
"""

import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from aggregation_pipeline.access.names import LONGEST_NAME
from aggregation_pipeline.access.roles import ROLES, Role, RoleName, Scope
from aggregation_pipeline.errors import AccessBusyError, AccessError, newer_format
from aggregation_pipeline.tempfiles.whole_file import give_to_owner_of, leftovers, write_whole

# What the version of the file counts.
FORMAT: Final = 1
_LARGEST: Final = 4 * 1024 * 1024
_LOCK_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.02
_SUPERUSER: Final = 0
_PRIVATE: Final = 0o600
_RESTORE: Final = "It is written by `aggregation-pipeline users` and `tokens`: put back a copy that works, or remove it"
_Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class User(_Stored):
    """An account.

    Attributes:
        password: argon2 hash; None for people whom a proxy signs in.
        version: counts changes of role, password and `disabled`. A session of another version has ended.
        must_change: the password was made by a program, and has to be replaced at the next sign-in.
    """

    role_name: RoleName = Field(alias="role")
    password: Annotated[str, StringConstraints(pattern=r"^\$argon2id\$", max_length=200)] | None = None
    disabled: bool = False
    must_change: bool = False
    version: int = Field(default=1, ge=1)
    created: AwareDatetime

    @property
    def role(self) -> Role:
        """What the user may do."""
        return ROLES[self.role_name]


class Token(_Stored):
    """A token. `hash` is the SHA-256 of its text, which is random and long, so that no slow hash is needed."""

    hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    owner: _Name
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    created: AwareDatetime
    expires: AwareDatetime

    def is_expired(self, now: datetime | None = None) -> bool:
        """Return whether its time is over."""
        return (now or datetime.now(UTC)) >= self.expires


class AuthData(_Stored):
    """What the file holds: users and tokens by name."""

    version: Literal[1] = 1
    users: Mapping[_Name, User] = {}
    tokens: Mapping[_Name, Token] = {}


class FileState(NamedTuple):
    """What changes when the file is replaced, written, or given to others."""

    modified_ns: int
    changed_ns: int
    size: int
    inode: int


def state_of(path: Path) -> FileState | None:
    """Return the state of the file; None where there is none.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return FileState(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def read_auth_file(path: Path) -> AuthData | None:
    """Read the file; None where there is none.

    Raises:
        AccessError: it cannot be read, belongs to somebody else, others may write it, or it is not what we write, or
            not yet. The message holds no value of it.
    """
    try:
        content = _read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AccessError(f"AUTH_FILE={path} cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise AccessError(f"AUTH_FILE={path} has more than {_LARGEST} bytes. {_RESTORE}")
    try:
        return AuthData.model_validate_json(content)
    except ValidationError as error:
        _refuse_newer(content, path)
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise AccessError(f"AUTH_FILE={path} cannot be used: {place or 'JSON'}: {first['msg']}. {_RESTORE}") from None


def _refuse_newer(content: bytes, path: Path) -> None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return
    found = document.get("version") if isinstance(document, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise AccessError(newer_format(f"AUTH_FILE={path}", found, FORMAT))


def _read(path: Path) -> bytes:
    """Read at most one byte more than the file may have."""
    _refuse_link_of_others(path)
    # A pipe in its place would otherwise wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _refuse_unsafe(path, os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_LARGEST + 1)
    finally:
        os.close(descriptor)


def is_readable_by_others(path: Path) -> bool:
    """Return whether accounts other than the file's owner may read it."""
    with suppress(OSError):
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    return False


def edit_auth_file(path: Path, change: Callable[[AuthData], AuthData]) -> AuthData:
    """Replace the file by what `change` makes of it, one process after the other; return the new content.

    `change` may raise, and nothing is changed then.

    Raises:
        AccessError: the file or its folder cannot be used.
        AccessBusyError: another process has been changing the file for ten seconds.
    """
    # A link stays one, and what it leads to is replaced.
    real = Path(os.path.realpath(path))
    try:
        with _locked(real):
            before = read_auth_file(path)
            after = change(before or AuthData())
            _replace(real, after.model_dump_json(by_alias=True, indent=2).encode() + b"\n")
    except OSError as error:
        raise AccessError(
            f"AUTH_FILE={path} cannot be written: {error.strerror}. Its folder has to exist, and the account of the"
            " service has to be allowed to write there"
        ) from None
    return after


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The lock is on a file of its own, because the other one is replaced.
    lock = path.with_name(f".{path.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        give_to_owner_of(path, descriptor)
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise AccessBusyError(
                        f"Another process has been changing AUTH_FILE={path} for {_LOCK_SECONDS:.0f} s. Try again"
                    ) from None
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes) -> None:
    # Whoever holds the lock is the only writer: these are of killed ones.
    for left in leftovers(path):
        left.unlink(missing_ok=True)
    write_whole(path, content, new_mode=_PRIVATE, keep_mode=False)


def _refuse_link_of_others(path: Path) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode) and found.st_uid not in _trusted(path):
        raise AccessError(f"AUTH_FILE={path} is a link that belongs to another account, which could lead it elsewhere")


def _refuse_unsafe(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise AccessError(f"AUTH_FILE={path} is no file")
    if found.st_uid not in _trusted(Path(os.path.realpath(path))):
        raise AccessError(
            f"AUTH_FILE={path} belongs to another account (number {found.st_uid}), which could make itself an admin."
            f" It has to belong to whom its folder belongs: chown {path.parent.stat().st_uid} {path}"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise AccessError(
            f"Other accounts may write AUTH_FILE={path}, and could make themselves admins: chmod 600 {path}"
        )


def _trusted(path: Path) -> set[int]:
    """Whose files are believed: who owns the folder could replace them anyway."""
    return {_SUPERUSER, os.geteuid(), path.parent.stat().st_uid}

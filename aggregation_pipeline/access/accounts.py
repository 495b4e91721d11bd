"""The accounts and tokens of AUTH_FILE, as they are at this moment."""

import hashlib
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aggregation_pipeline.access.auth_file import (
    AuthData,
    FileState,
    Token,
    User,
    is_readable_by_others,
    read_auth_file,
    state_of,
)
from aggregation_pipeline.access.names import normalized_name
from aggregation_pipeline.access.passwords import is_password
from aggregation_pipeline.access.roles import Principal, token_principal
from aggregation_pipeline.errors import AccessError

# What tokens begin with, so that people and scanners recognize one.
PREFIX: Final = "agp_"
_LONGEST_TOKEN: Final = 200

_log = logging.getLogger(__name__)


def token_hash(text: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class _Known:
    """What was read last. `tokens` are by hash, each with its name."""

    state: FileState | None
    data: AuthData
    tokens: Mapping[str, tuple[str, Token]]
    is_empty: bool


class Accounts:
    """Looks at the file each time, and reads it again when it has changed. Safe to use from many threads.

    A file that cannot be used changes nothing: the accounts stay those that were read last, and one line is logged. If
    none could be read since the start, nobody is let in. A file that is removed, or loses all accounts, counts as such
    a file too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._known: _Known | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is no account: no file, or a file without users. False while the file cannot be used."""
        return self._current().is_empty

    def user(self, name: str) -> User | None:
        """Return the account with this name, however it is spelled, also a disabled one."""
        return self._current().data.users.get(normalized_name(name))

    def principal(self, name: str) -> Principal | None:
        """Return what the account with this name may do; None where there is none, or it is disabled."""
        user = self.user(name)
        return None if user is None or user.disabled else Principal(normalized_name(name), user.role)

    def verify_password(self, name: str, password: str) -> Principal | None:
        """Return who signs in with this name and password; None if nobody does.

        Each call verifies one password, also for names that do not exist, and takes a tenth of a second of a processor:
        call it in a thread. Look at `user(name).must_change` afterwards.

        Raises:
            AccessBusyError: two passwords are being verified, and others wait.
        """
        user = self.user(name)
        is_right = is_password(user.password if user else None, password)
        # Judged again: the account may have been disabled meanwhile.
        return self.principal(name) if is_right and self.user(name) == user else None

    def verify_token(self, text: str) -> Principal | None:
        """Return who acts with this token; None if it is unknown or expired, or its owner is disabled or gone.

        The principal's role is its owner's at this moment, and `scopes` say what the token is limited to.
        """
        if not text.startswith(PREFIX) or len(text) > _LONGEST_TOKEN:
            return None
        # The hash is looked up, not the token: how long that takes tells nothing about a token.
        name, token = self._current().tokens.get(token_hash(text), ("", None))
        owner = self.principal(token.owner) if token is not None and not token.is_expired() else None
        return token_principal(owner.name, name, owner.role, frozenset(token.scopes)) if token and owner else None

    def _current(self) -> _Known:
        with self._lock:
            known = self._known
            try:
                state = state_of(self.path)
            except OSError:
                state = FileState(0, 0, 0, 0)
            if known is None or known.state != state:
                known = self._known = self._read(state, known)
            return known

    def _read(self, state: FileState | None, before: _Known | None) -> _Known:
        try:
            data = _read_existing(self.path) if before and not before.is_empty else read_auth_file(self.path)
        except AccessError as error:
            _log.error("%s. %s", error, "The accounts stay as they were" if before else "Nobody is let in")
            return (
                _Known(state, before.data, before.tokens, before.is_empty)
                if before
                else _Known(state, AuthData(), {}, is_empty=False)
            )
        if is_readable_by_others(self.path):
            _log.warning("Other accounts may read AUTH_FILE=%s, and try passwords: chmod 600 it", self.path)
        data = data or AuthData()
        tokens = {token.hash: (name, token) for name, token in data.tokens.items()}
        return _Known(state, data, tokens, is_empty=not data.users)


def _read_existing(path: Path) -> AuthData:
    data = read_auth_file(path)
    if data is None:
        raise AccessError(f"AUTH_FILE={path} is gone. Put it back, or restart the service")
    if not data.users:
        # No command removes an account. Where nobody has to sign in without one, everybody would be admin at once.
        raise AccessError(f"AUTH_FILE={path} has no account any more. Put back what it had, or restart the service")
    return data

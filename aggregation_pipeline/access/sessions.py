"""Sessions of people who have signed in. Only a hash of each session's secret is stored."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.access.accounts import Accounts
from aggregation_pipeline.access.roles import ROLES, Principal, role_name
from aggregation_pipeline.access.store import AccessStore, sessions

_LONGEST_SECRET: Final = 100
# How exactly it is known when a session was last used. Each request would write a row otherwise.
_SEEN_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Session:
    """Somebody's session.

    Attributes:
        principal: who signed in, with the role of that moment.
        account_version: `User.version` at sign-in; None for people without an account in AUTH_FILE.
        started_at: when they signed in.
    """

    principal: Principal
    account_version: int | None
    started_at: datetime

    def still_holds(self, accounts: Accounts) -> bool:
        """Whether the account is as it was at sign-in: not disabled, with the same role and the same password."""
        if self.account_version is None:
            return True
        user = accounts.user(self.principal.name)
        return user is not None and not user.disabled and user.version == self.account_version


class Sessions:
    """The table of sessions. All clocks are PostgreSQL's.

    Every method may wait for PostgreSQL for some seconds, so call it in a thread. Each raises AccessBusyError where
    PostgreSQL does not answer, and AccessError where it refuses.
    """

    def __init__(self, store: AccessStore, *, idle: timedelta, longest: timedelta) -> None:
        self._store = store
        self._idle = idle
        self._lives = sa.and_(
            sessions.c.seen_at > sa.func.now() - idle, sessions.c.started_at > sa.func.now() - longest
        )

    def begin(self, principal: Principal, address: str, *, account_version: int | None = None) -> str:
        """Begin a session and return its secret, for the cookie. Pass `User.version` for accounts of AUTH_FILE."""
        secret = secrets.token_urlsafe(32)
        with self._store.transaction() as connection:
            connection.execute(sessions.delete().where(sa.not_(self._lives)))
            connection.execute(
                sessions.insert().values(
                    secret_hash=_hash(secret),
                    name=principal.name,
                    role=role_name(principal.role),
                    account_version=account_version,
                    address=address,
                )
            )
        return secret

    def principal_of(self, secret: str) -> Session | None:
        """Return the session that has this secret; None if it is unknown, or ended. Using it keeps it alive."""
        if len(secret) > _LONGEST_SECRET:
            return None
        is_it = sessions.c.secret_hash == _hash(secret)
        # Where sessions end after minutes, a minute is too coarse.
        is_stale = sessions.c.seen_at < sa.func.now() - min(_SEEN_EVERY, self._idle / 4)
        found = sa.select(sessions.c.name, sessions.c.role, sessions.c.account_version, sessions.c.started_at)
        with self._store.transaction() as connection:
            row = connection.execute(found.add_columns(is_stale.label("is_stale")).where(is_it, self._lives)).first()
            if row is None:
                return None
            if row.is_stale:
                connection.execute(sessions.update().where(is_it).values(seen_at=sa.func.now()))
        return Session(Principal(row.name, ROLES[row.role]), row.account_version, row.started_at)

    def end(self, secret: str) -> None:
        """End a session, wherever it was begun."""
        with self._store.transaction() as connection:
            connection.execute(sessions.delete().where(sessions.c.secret_hash == _hash(secret)))

    def end_all(self, name: str) -> int:
        """End all sessions of a user; return how many there were."""
        with self._store.transaction() as connection:
            return connection.execute(sessions.delete().where(sessions.c.name == name)).rowcount


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()

"""When each token was last used."""

import threading
import time
from contextlib import suppress
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from aggregation_pipeline.access.roles import Principal
from aggregation_pipeline.access.store import AccessStore, token_use
from aggregation_pipeline.errors import AccessError

_EVERY_SECONDS: Final = 60.0


class TokenUse:
    """Notes uses in a thread of its own: a token works, and nobody waits, while PostgreSQL is away."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._noted_at: dict[str, float] = {}
        self._waiting: dict[str, str] = {}
        self._is_writing = False

    def note(self, token: Principal, address: str) -> None:
        """Note that a token is used now. Returns at once; at most one row a token and minute is written."""
        now = time.monotonic()
        with self._lock:
            if now - self._noted_at.get(token.name, float("-inf")) < _EVERY_SECONDS:
                return
            self._noted_at[token.name] = now
            self._waiting[token.name] = address
            if not self._is_writing:
                self._is_writing = True
                threading.Thread(target=self._write, name="use of tokens", daemon=True).start()

    def last_used(self) -> dict[str, tuple[datetime, str]]:
        """Return when and from where each token was last used, by `Principal.name`.

        Raises:
            AccessBusyError: PostgreSQL does not answer.
        """
        with self._store.transaction() as connection:
            return {row.name: (row.used_at, row.address) for row in connection.execute(sa.select(token_use))}

    def _write(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._is_writing = False
                    return
                name, address = self._waiting.popitem()
            use = postgresql.insert(token_use).values(name=name, address=address)
            again = use.on_conflict_do_update(
                index_elements=["name"], set_={"used_at": sa.func.now(), "address": address}
            )
            # While PostgreSQL is away, uses are not noted: the token works all the same.
            with suppress(AccessError), self._store.transaction() as connection:
                connection.execute(again)

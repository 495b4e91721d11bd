"""The audit log: who did what, from where, with which result. Rows are added, and deleted after a year."""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from aggregation_pipeline.access.store import AccessStore, audit
from aggregation_pipeline.errors import AccessError

Result = Literal["ok", "refused", "failed"]

_LONGEST_TEXT: Final = 200
_MOST_DETAILS: Final = 20
_PRUNE_EVERY: Final = 86_400.0
_KEPT: Final = sa.text("INTERVAL '1 year'")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuditEntry:
    """One row.

    Attributes:
        who: `Principal.name`, or the name that somebody tried; `root (command)` for commands.
        what: what was done, such as `sign-in`, `run`, `users add`.
        address: from where; `command` for commands.
        result: `ok`, `refused` or `failed`.
        details: what else is worth knowing; never a secret.
    """

    at: datetime
    who: str
    what: str
    address: str
    result: str
    details: Mapping[str, object]


class Audit:
    """The table of the audit log, in Dagster's PostgreSQL."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store
        self._pruned_at = float("-inf")

    def record(
        self, who: str, what: str, address: str, result: Result, details: Mapping[str, object] | None = None
    ) -> bool:
        """Add a row; where PostgreSQL does not take it, log it instead, and return False. Never raises AccessError.

        It may wait for PostgreSQL for some seconds: call it in a thread. Texts are cut to 200 characters. `details`
        hold names, numbers and the like: what the caller knows to be no secret.
        """
        row = _row(who, what, address, result, details)
        try:
            with self._store.transaction() as connection:
                connection.execute(audit.insert().values(row))
        except AccessError as error:
            _log_missing(error, row)
            return False
        if time.monotonic() - self._pruned_at > _PRUNE_EVERY:
            self._pruned_at = time.monotonic()
            self._prune()
        return True

    @staticmethod
    def log_missing(
        error: AccessError, who: str, what: str, address: str, result: Result, details: Mapping[str, object] | None
    ) -> None:
        """Log a row that could not even be tried to be added, as `record` does with those that were not taken."""
        _log_missing(error, _row(who, what, address, result, details))

    def _prune(self) -> None:
        try:
            with self._store.transaction() as connection:
                connection.execute(audit.delete().where(audit.c.at < sa.func.clock_timestamp() - _KEPT))
        except AccessError as error:
            _log.warning("Rows of the audit log that are older than a year stay until tomorrow: %s", error)

    def entries(self, *, since: datetime | None = None, limit: int = 1000) -> Iterator[AuditEntry]:
        """Yield the newest rows first.

        Raises:
            AccessBusyError: PostgreSQL does not answer.
        """
        newest = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        with self._store.transaction() as connection:
            rows = connection.execute(newest if since is None else newest.where(audit.c.at >= since)).all()
        for row in rows:
            yield AuditEntry(row.at, row.who, row.what, row.address, row.result, row.details)


def _row(
    who: str, what: str, address: str, result: Result, details: Mapping[str, object] | None
) -> Mapping[str, object]:
    return {
        "who": _text(who),
        "what": _text(what),
        "address": _text(address),
        "result": result,
        "details": {_text(key): _plain(value) for key, value in list((details or {}).items())[:_MOST_DETAILS]},
    }


def _log_missing(error: AccessError, row: Mapping[str, object]) -> None:
    _log.error("%s. The audit log lacks: %s", error, json.dumps(row, ensure_ascii=False))


def _text(value: str) -> str:
    # PostgreSQL's texts hold no NUL and no halves of characters.
    clean = value[:_LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")
    return "".join(char if char.isprintable() else "\ufffd" for char in clean)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int) else _text(str(value))

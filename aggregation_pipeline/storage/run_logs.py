"""What the processes of runs print, kept in the store, so that other machines can read it.

    {prefix}/_logs/{run}/compute_logs/{capture}.out, .err        whole, once the capture has ended
    {prefix}/_logs/{run}/compute_logs/{capture}.err.partial      so far, while it goes on

They expire by age alone. No table, and no retention of a table, has anything to do with them.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from aggregation_pipeline.errors import StorageMissingError
from aggregation_pipeline.storage.base import ObjectStore, StoredObject
from aggregation_pipeline.storage.keys import log_key, logs_folder

_MEDIA_TYPE: Final = "text/plain; charset=utf-8"
_PARTIAL: Final = ".partial"
_NAMES: Final = tuple(f".{kind}{state}" for kind in ("out", "err") for state in ("", _PARTIAL))


class RunLogs:
    """Log files by Dagster's keys: the parts of a path, of which the first is the run's id.

    All methods raise StorageError, as those of the store do.
    """

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    def key(self, parts: Sequence[str], kind: str, *, partial: bool = False) -> str:
        """Return the key of a log; `kind` is `out` or `err`.

        Raises:
            StorageError: the parts can be no key.
        """
        return log_key(self._prefix, parts, f".{kind}{_PARTIAL if partial else ''}")

    def save(self, key: str, text: bytes) -> None:
        """Store a log, in the place of what was there."""
        self._store.put(key, text, media_type=_MEDIA_TYPE)

    def find(self, key: str) -> StoredObject | None:
        """Return what the store knows of a log; None where there is none."""
        return self._store.head(key)

    def fetch(self, key: str, target: Path) -> bool:
        """Write a log to `target`, which appears when it is whole; return whether there is one."""
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._store.get(key, target)
        except StorageMissingError:
            return False
        return True

    def address(self, key: str) -> str:
        """Return where a log is, for people."""
        return self._store.uri(key)

    def delete(self, key: str) -> None:
        """Delete a log; an absent one is fine."""
        self._store.delete(key)

    def delete_below(self, parts: Sequence[str]) -> None:
        """Delete all logs whose key begins with these parts."""
        for stored in list(self._store.list(logs_folder(self._prefix, parts))):
            self._store.delete(stored.key)

    def delete_written_before(self, time: datetime, *, dry_run: bool = False) -> tuple[str, ...]:
        """Delete the logs that were written before `time`, and return their keys; with `dry_run` only return them.

        Files of others that lie there stay.
        """
        listed = self._store.list(logs_folder(self._prefix, ()))
        old = [each.key for each in listed if each.key.endswith(_NAMES) and each.modified and each.modified < time]
        for key in [] if dry_run else old:
            self._store.delete(key)
        return tuple(old)

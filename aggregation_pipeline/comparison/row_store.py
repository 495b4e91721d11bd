"""The rows of both sides on disk, sorted by key: SQLite, so that memory does not grow with them."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Final

from aggregation_pipeline.errors import ComparisonError

TextRow = list[str | None]
OURS: Final = 0
OLD: Final = 1
# Of rows that cannot be told apart by the key, only so many are held at once.
MOST_PER_KEY: Final = 20_000
_CACHE_KIB: Final = 64 * 1024


class RowStore:
    """Takes rows of both sides, and hands them out together."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, side: int, rows: Iterable[tuple[str, Sequence[str | None]]]) -> None:
        """Take rows of one side, each with its key."""
        self._connection.executemany(
            "INSERT INTO rows VALUES (?, ?, ?)", ((key, side, json.dumps(row)) for key, row in rows)
        )

    def groups(self) -> Iterator[tuple[str, list[TextRow], list[TextRow]]]:
        """Yield each key with its rows of ours and of the old file.

        Raises:
            ComparisonError: too many rows have one key.
        """
        found = self._connection.execute("SELECT key, side, row FROM rows ORDER BY key, side, rowid")
        for key, rows in groupby(found, key=lambda row: str(row[0])):
            sides: tuple[list[TextRow], list[TextRow]] = ([], [])
            for _, side, text in rows:
                sides[side].append(json.loads(text))
                if len(sides[side]) > MOST_PER_KEY:
                    raise ComparisonError(
                        f"over {MOST_PER_KEY:,} rows of one side have the same key, so it is none. Name with --key the"
                        " columns that tell rows apart."
                    )
            yield key, *sides


@contextmanager
def row_store(directory: Path) -> Iterator[RowStore]:
    """Open a store in `directory`, and remove it afterwards."""
    path = directory / "rows.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Nobody needs it after a crash, and what is sorted goes to the same disk.
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            f"cache_size = -{_CACHE_KIB}",
            f"temp_store_directory = '{str(directory).replace(chr(39), chr(39) * 2)}'",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE rows (key TEXT, side INTEGER, row TEXT)")
        connection.execute("BEGIN")
        try:
            yield RowStore(connection)
        finally:
            connection.execute("PRAGMA temp_store_directory = ''")
    path.unlink(missing_ok=True)

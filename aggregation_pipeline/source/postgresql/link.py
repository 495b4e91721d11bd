"""One connection to PostgreSQL through ADBC: statements go in, Arrow batches come out, and nothing waits for ever.

The driver's calls block, so each statement runs in a thread of its own, and the caller waits for its answers as long as
it wants to. A server that has frozen cannot hold the caller: the thread is left behind with its connection.
"""

import contextlib
import functools
import math
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

import adbc_driver_manager
import adbc_driver_postgresql
import pyarrow as pa
from adbc_driver_manager._reader import AdbcRecordBatchReader

from aggregation_pipeline.source.postgresql.errors import ExpiredError, Quotable, SilenceError, to_source_error

# A batch in memory; one waits while the next is read and another is written.
_BATCH_BYTES: Final = 4 << 20
_BATCH_SIZE: Final = "adbc.postgresql.batch_size_hint_bytes"
# COPY brings rows faster than anything else, but takes no SHOW, EXPLAIN or BEGIN.
_USE_COPY: Final = "adbc.postgresql.use_copy"
# How often a thread whose answer nobody takes looks whether somebody still will.
_LOOK_SECONDS: Final = 0.2
# How long an ended statement may take to say so.
_END_SECONDS: Final = 5.0

Row: TypeAlias = tuple[Any, ...]
_Kind: TypeAlias = Literal["answer", "error", "end"]
_Answers: TypeAlias = "queue.Queue[tuple[_Kind, Any]]"


class Link:
    """A connection.

    Attributes:
        quotable: the names that may be repeated from the server's messages.
        patience: seconds without an answer after which the server counts as frozen.

    Raises:
        SourceLostError, SourceError: no connection.
    """

    def __init__(self, uri: str, *, where: str, user: str, patience: float, connect_timeout: float) -> None:
        self.quotable = Quotable(user)
        self._until: float | None = None
        self._limit = 0
        self.patience = patience
        self._where = where
        self._running: tuple[adbc_driver_manager.AdbcStatement | None, threading.Thread] | None = None
        self._abandoned = threading.Event()

        def connect() -> Iterator[adbc_driver_manager.AdbcConnection]:
            yield adbc_driver_manager.AdbcConnection(_database(uri))

        # libpq has a limit of its own for each address of a host; this one holds whatever it waits for.
        with self._translated():
            (self._connection,) = self._taken(self._begin(connect, None), 3 * connect_timeout)

    def end_after(self, seconds: int) -> None:
        """Give up whatever is waited for after so many seconds from now on."""
        self._until, self._limit = time.monotonic() + seconds, seconds

    def end_with(self, other: "Link") -> None:
        """Give up when another connection does."""
        self._until, self._limit = other._until, other._limit

    def left(self) -> float:
        """Return the seconds that are left until then."""
        return math.inf if self._until is None else self._until - time.monotonic()

    def rows(self, sql: str, *, copy: bool = True) -> list[Row]:
        """Return the rows of a small result.

        Args:
            sql: one statement.
            copy: whether COPY can carry it, as it can any SELECT.
        """
        batches = self.batches(sql, copy=copy)
        return [row for batch in batches for row in zip(*(each.to_pylist() for each in batch.columns), strict=True)]

    def row(self, sql: str) -> Row:
        """Return the only row."""
        (row,) = self.rows(sql)
        return row

    def run(self, sql: str) -> None:
        """Execute a statement without a result."""
        self.rows(sql, copy=False)

    def describe(self, sql: str) -> pa.Schema:
        """Return the columns of a statement, which the server checks and does not run.

        Fields have the metadata `POSTGRESQL:type` and, if it is numeric, `POSTGRESQL:typmod`.
        """

        def schema(statement: adbc_driver_manager.AdbcStatement) -> Iterator[pa.Schema]:
            yield pa.schema(statement.execute_schema())

        (found,) = self._ask(sql, schema)
        return found

    def batches(self, sql: str, *, copy: bool = True, ahead: int = 1) -> Generator[pa.RecordBatch, None, None]:
        """Begin a statement, and yield its rows in batches of a few megabytes. Take all before the next statement.

        Args:
            sql: one statement.
            copy: whether COPY can carry it, as it can any SELECT.
            ahead: how many batches may wait to be taken. They are read whether somebody takes them yet or not.

        Raises:
            SourceLostError: the connection broke, or the server is silent.
            SourceError: the server refused the statement, or ended it.
        """

        def read(statement: adbc_driver_manager.AdbcStatement) -> Iterator[pa.RecordBatch]:
            handle, _ = statement.execute_query()
            # Unlike pyarrow's own reader it keeps the SQLSTATE of what goes wrong in the middle.
            yield from AdbcRecordBatchReader._import_from_c(handle.address)

        options = {_BATCH_SIZE: str(_BATCH_BYTES), _USE_COPY: "true" if copy else "false"}
        return self._ask(sql, read, options, ahead)

    def close(self) -> None:
        """End what runs, and close the connection. One that does not answer is left to its thread."""
        self._abandoned.set()
        if self._running is not None:
            statement, thread = self._running
            if statement is not None and thread.is_alive():
                # Cancelling opens a connection of its own, which a frozen server may not take either.
                threading.Thread(target=_cancel, args=(statement,), daemon=True).start()
            thread.join(_END_SECONDS)
            if thread.is_alive():
                return
        with contextlib.suppress(adbc_driver_manager.Error, OSError):
            self._connection.close()

    def _ask(
        self,
        sql: str,
        work: Callable[[adbc_driver_manager.AdbcStatement], Iterator[Any]],
        options: Mapping[str, str] | None = None,
        ahead: int = 1,
    ) -> Generator[Any, None, None]:
        statement = adbc_driver_manager.AdbcStatement(self._connection)

        def run() -> Iterator[Any]:
            with statement:
                if options:
                    statement.set_options(**options)
                statement.set_sql_query(sql)
                yield from work(statement)

        return self._translated_answers(sql, self._begin(run, statement, ahead))

    def _translated_answers(self, sql: str, answers: _Answers) -> Generator[Any, None, None]:
        with self._translated(sql):
            yield from self._taken(answers, self.patience)

    @contextlib.contextmanager
    def _translated(self, sql: str = "") -> Iterator[None]:
        try:
            yield
        except (adbc_driver_manager.Error, OSError, SilenceError, ExpiredError) as error:
            raise to_source_error(error, self.quotable, where=self._where, sql=sql) from None

    def _begin(
        self,
        work: Callable[[], Iterator[Any]],
        statement: adbc_driver_manager.AdbcStatement | None,
        ahead: int = 1,
    ) -> _Answers:
        """Run a function in a thread of its own; return where what it yields comes, so many answers ahead."""
        answers: _Answers = queue.Queue(ahead)
        thread = threading.Thread(target=self._work, args=(work, answers), name="read PostgreSQL", daemon=True)
        self._running = statement, thread
        thread.start()
        return answers

    def _taken(self, answers: _Answers, patience: float) -> Iterator[Any]:
        """Yield the answers up to the last."""
        while True:
            kind, value = self._next(answers, patience)
            if kind == "answer":
                yield value
                continue
            if self._running is not None:
                self._running[1].join()
                self._running = None
            if kind == "error":
                raise value
            return

    def _next(self, answers: _Answers, patience: float) -> tuple[_Kind, Any]:
        left = self.left()
        if left <= 0:
            raise ExpiredError(self._limit)
        try:
            return answers.get(timeout=min(patience, left))
        except queue.Empty:
            raise (ExpiredError(self._limit) if self.left() <= 0 else SilenceError) from None

    def _work(self, work: Callable[[], Iterator[Any]], answers: _Answers) -> None:
        # Any error is the caller's to raise, so none goes on from here.
        with contextlib.suppress(BaseException):
            try:
                for answer in work():
                    if not self._hand_over(answers, ("answer", answer)):
                        return
            finally:
                error = sys.exc_info()[1]
                self._hand_over(answers, ("end", None) if error is None else ("error", error))

    def _hand_over(self, answers: _Answers, item: tuple[_Kind, Any]) -> bool:
        while not self._abandoned.is_set():
            with contextlib.suppress(queue.Full):
                answers.put(item, timeout=_LOOK_SECONDS)
                return True
        return False


# It connects by itself to read the server's types, which only decide how they are called: all that is not built in is
# asked for as text. So one that is older than a type will do.
@functools.lru_cache(maxsize=64)
def _database(uri: str) -> adbc_driver_manager.AdbcDatabase:
    database: adbc_driver_manager.AdbcDatabase = adbc_driver_postgresql.connect(uri)
    return database


def _cancel(statement: adbc_driver_manager.AdbcStatement) -> None:
    with contextlib.suppress(Exception):
        statement.cancel()

"""The embedded servers under one folder, for one owner at a time."""

import atexit
import contextlib
import fcntl
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any, Self

from aggregation_pipeline.embedded import postgres_data, sample_data
from aggregation_pipeline.embedded.postgres import USER as POSTGRES_USER
from aggregation_pipeline.embedded.postgres import Postgres, start_postgres
from aggregation_pipeline.embedded.seekdb import USER, Seekdb, spawn_seekdb
from aggregation_pipeline.errors import PipelineError

SHOP_DATABASE = "shop"
# The pipeline reads with an account that may do nothing else, as it should in production.
READER = "shop_reader"
# No secret: the socket's folder is private. It must not be empty, or a password in .env would be used instead.
# Nor a word that messages have: they would show *** in its place.
READER_PASSWORD = "shop-reader-of-the-demo"  # noqa: S105
# Dagster's tables and batch_jobs are both in it, as in every deployment without BATCH_JOBS_URL.
POSTGRES_DATABASE = "aggregation"


@dataclass(kw_only=True)
class Running(ABC):
    """Running servers. They stop at the end of the context or of the process, and at SIGTERM."""

    root: Path
    postgres: Postgres
    _resources: contextlib.ExitStack = field(repr=False)
    _owner: int = field(default_factory=os.getpid, repr=False)

    @abstractmethod
    def load_shop(self, today: date, progress: Callable[[int, int], None]) -> bool:
        """Fill the shop with the 90 days before `today`; return False if it has them already.

        `progress` is called with the number of rows that are loaded, and of all rows.
        """

    @abstractmethod
    def source_environ(self) -> dict[str, str]:
        """Return the variables of the source, with an account that may only read the shop."""

    @property
    def postgres_url(self) -> str:
        """The database of Dagster and batch_jobs."""
        return self.postgres.url(POSTGRES_DATABASE)

    def environ(self) -> dict[str, str]:
        """Return the variables that point a pipeline to these servers."""
        return {
            **self.source_environ(),
            "DAGSTER_PG_URL": self.postgres_url,
            "BATCH_JOBS_URL": self.postgres_url,
        }

    def close(self) -> None:
        """Stop the servers. It may be called again; in a forked child it does nothing."""
        if os.getpid() == self._owner:
            atexit.unregister(self.close)
            self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(kw_only=True)
class Servers(Running):
    """A MySQL-compatible server with the shop, and PostgreSQL for Dagster and batch_jobs."""

    seekdb: Seekdb

    @property
    def mysql_socket(self) -> str:
        """The path of seekdb's unix socket."""
        return str(self.seekdb.socket)

    @property
    def mysql_user(self) -> str:
        """The administrator, who has no password, for loading the sample data."""
        return USER

    def mysql_admin(self) -> dict[str, Any]:
        """Return PyMySQL's arguments for loading the sample data."""
        return {"unix_socket": self.mysql_socket, "user": self.mysql_user, "database": self.mysql_database}

    @property
    def mysql_database(self) -> str:
        """The database of the sample shop."""
        return SHOP_DATABASE

    def load_shop(self, today: date, progress: Callable[[int, int], None]) -> bool:
        """Fill the shop; see Running."""
        return sample_data.load_sample_data(self.mysql_admin(), today=today, progress=progress)

    def source_environ(self) -> dict[str, str]:
        """Return the variables of the source; see Running."""
        return {
            "DB_SOCKET": self.mysql_socket,
            "DB_USER": READER,
            "DB_PASSWORD": READER_PASSWORD,
            "DB_NAME": self.mysql_database,
        }


@dataclass(kw_only=True)
class OnePostgres(Running):
    """One PostgreSQL with two databases: the shop, and that of Dagster and batch_jobs."""

    def load_shop(self, today: date, progress: Callable[[int, int], None]) -> bool:
        """Fill the shop; see Running."""
        connect = {"host": str(self.postgres.socket_folder), "user": POSTGRES_USER, "dbname": SHOP_DATABASE}
        return postgres_data.load_sample_data(connect, today=today, reader=READER, progress=progress)

    def source_environ(self) -> dict[str, str]:
        """Return the variables of the source; see Running."""
        return {
            "DB_KIND": "postgresql",
            "DB_SOCKET": str(self.postgres.socket_folder),
            "DB_USER": READER,
            "DB_PASSWORD": READER_PASSWORD,
            "DB_NAME": SHOP_DATABASE,
        }


def start_servers(root: Path, *, report: Callable[[str], None]) -> Servers:
    """Start seekdb and PostgreSQL with their data below `root`, and wait until both answer and have their database.

    Use the result as a context manager. Other processes can use the servers too while it is open. `report` gets a line
    for whatever a user should know, such as a folder that was set aside.

    Raises:
        PipelineError: another process uses `root`, a wheel is missing, or a server does not start.
    """
    with contextlib.ExitStack() as stack:
        root = _own(root, stack)
        seekdb, postgres = _start_both(root, stack, report)
        servers = Servers(root=root, seekdb=seekdb, postgres=postgres, _resources=stack.pop_all())
    atexit.register(servers.close)
    return servers


def start_one_postgres(root: Path, *, report: Callable[[str], None]) -> OnePostgres:
    """Start PostgreSQL alone, with a database for the shop; as `start_servers` otherwise.

    Raises:
        PipelineError: as for `start_servers`.
    """
    with contextlib.ExitStack() as stack:
        root = _own(root, stack)
        postgres = _start_postgres(root, stack, report)
        if not postgres.has_database(SHOP_DATABASE):
            postgres.execute(f"CREATE DATABASE {SHOP_DATABASE}")
        postgres.execute(f"DO $$ BEGIN CREATE ROLE {READER} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        servers = OnePostgres(root=root, postgres=postgres, _resources=stack.pop_all())
    atexit.register(servers.close)
    return servers


def _own(root: Path, stack: contextlib.ExitStack) -> Path:
    """Make `root`, keep it for this process until the stack ends, and return its absolute path."""
    root = root.absolute()
    root.mkdir(parents=True, exist_ok=True)
    stack.enter_context(_only_owner(root))
    stack.enter_context(_signals_unwind())
    return root


def _start_both(root: Path, stack: contextlib.ExitStack, report: Callable[[str], None]) -> tuple[Seekdb, Postgres]:
    """Start both at the same time, without a thread: seekdb starts by itself while we start PostgreSQL.

    Both have their database then. A server may be stopped twice at the end, which does no harm.
    """
    starting = spawn_seekdb(root / "seekdb", report=report)
    stack.callback(starting.stop)
    postgres = _start_postgres(root, stack, report)
    answering = starting.wait_until_ready(report)
    stack.callback(answering.stop)
    seekdb = answering.execute_after_start(
        f"CREATE DATABASE IF NOT EXISTS {SHOP_DATABASE} CHARACTER SET utf8mb4",
        f"CREATE USER IF NOT EXISTS '{READER}'@'%' IDENTIFIED BY '{READER_PASSWORD}'",
        # In a folder of an earlier version the account has another.
        f"ALTER USER '{READER}'@'%' IDENTIFIED BY '{READER_PASSWORD}'",
        f"GRANT SELECT ON {SHOP_DATABASE}.* TO '{READER}'@'%'",
        report=report,
    )
    stack.callback(seekdb.stop)
    return seekdb, postgres


def _start_postgres(root: Path, stack: contextlib.ExitStack, report: Callable[[str], None]) -> Postgres:
    postgres = start_postgres(root / "postgres", report=report)
    stack.callback(postgres.stop)
    if not postgres.has_database(POSTGRES_DATABASE):
        postgres.execute(f"CREATE DATABASE {POSTGRES_DATABASE}")
    return postgres


@contextlib.contextmanager
def _only_owner(root: Path) -> Iterator[None]:
    """Hold `root` for this process. The kernel frees the lock when its owner ends, even if the owner is killed."""
    path = root / "lock"
    # Opened without truncating, because a process that is refused reads the owner's id from it.
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise PipelineError(
                f"{root} is in use by process {holder}: another `make demo` or `make dev` runs on the same folder. "
                f"Let it end, or stop it with Ctrl-C in its terminal (from elsewhere: kill {holder}), then try again."
            ) from None
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


@contextlib.contextmanager
def _signals_unwind() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an exception while the block runs, so that the servers are stopped.

    By default these signals end the process at once. Handlers of others are left alone, and only the main thread may
    install a handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def unwind(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    ours = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) == signal.SIG_DFL]
    for each in ours:
        signal.signal(each, unwind)
    try:
        yield
    finally:
        for each in ours if threading.current_thread() is threading.main_thread() else ():
            signal.signal(each, signal.SIG_DFL)

"""Dagster's own storage in PostgreSQL, by a URL that is normalised before Dagster uses it.

dagster.yaml names this class, so every process of Dagster (webserver, daemon, code server, run) uses the same URL,
however it was started: psycopg2 for a plain postgresql://, and a session in UTC. A URL that cannot be used gives a
message instead of a traceback.
"""

import contextlib
import functools
import logging
import os
from collections.abc import Iterator
from typing import Any, ClassVar, Final, Self

import sqlalchemy as sa
from dagster import StringSource
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage

from aggregation_pipeline.instance.log_filters import install_log_filters
from aggregation_pipeline.instance.wait_for_postgres import wait_until_available
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, wait_in_session
from aggregation_pipeline.postgres.engine import KEEPALIVES, create_engine
from aggregation_pipeline.postgres.url import normalize_url, require_normalized
from aggregation_pipeline.settings import telemetry
from aggregation_pipeline.settings.env_precedence import restore_environment
from aggregation_pipeline.settings.environment import read_environment
from aggregation_pipeline.settings.log_once import begin_log_record, log_once

_log = logging.getLogger(__name__)

# Every process of Dagster loads this module before it reads the variables in dagster.yaml, sends telemetry or starts
# other processes. So these calls are made on import.
os.environ.setdefault(telemetry.VARIABLE, "1")
restore_environment()
install_log_filters()
# A service waits for a PostgreSQL that starts later than it. A process that a service has started waits less, because
# the service waits for it.
_PATIENCE: Final = 300.0 if begin_log_record() else 60.0
if _left := telemetry.queued_files_warning():
    log_once(_log, logging.WARNING, _left)

# Firewalls and poolers let a connection be idle for longer than this.
_KEPT_SECONDS: Final = 240
_LOCK_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 10


class _EventLog(PostgresEventLogStorage):
    """Dagster's event log with two corrections: one for new pools, one for speed.

    Two runs may use a pool for the first time at once. Dagster inserts the pool and, when another run was first,
    continues in a transaction that PostgreSQL has aborted, which fails the run. Here one process does it at a time.

    Dagster also opens a connection for each event, which takes longer than to store the event. Here each process keeps
    one connection for a while, and tests it before each use. Further threads open and close their own, as before.
    """

    def __init__(self, postgres_url: str) -> None:
        super().__init__(postgres_url)
        self._engine.dispose()
        self._engine = sa.create_engine(
            postgres_url,
            isolation_level="AUTOCOMMIT",
            pool_size=1,
            max_overflow=-1,
            pool_pre_ping=True,
            pool_recycle=_KEPT_SECONDS,
            # The server of a kept connection may have lost its power meanwhile.
            connect_args=dict(KEEPALIVES),
        )

    def dispose(self) -> None:
        """Close the connection that was kept."""
        super().dispose()
        self._engine.dispose()

    def initialize_concurrency_limit_to_default(self, concurrency_key: str) -> bool:
        """Create the pool if it is missing, one process at a time."""
        with one_process_at_a_time(self.postgres_url):
            return concurrency_key in self.get_concurrency_keys() or super().initialize_concurrency_limit_to_default(
                concurrency_key
            )


class PostgresStorage(DagsterPostgresStorage):
    """`DagsterPostgresStorage` with its `postgres_url` normalised first.

    `patience` is how many seconds a process waits for a PostgreSQL that does not answer when it starts.
    """

    patience: ClassVar[float] = _PATIENCE

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        self._event_log_storage = _EventLog(postgres_url)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """The schema of `config` in dagster.yaml."""
        return {"postgres_url": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: dict[str, Any]) -> Self:  # type: ignore[override]
        """Open the storage.

        Raises:
            SettingsError: the URL is of another database or driver, PGTZ in the environment would shift Dagster's
                times, or no server answers.
        """
        url = normalize_url(_as_written(config_value["postgres_url"]), name="DAGSTER_PG_URL")
        require_normalized(url)
        return wait_until_available(functools.partial(cls._open, _with_connect_timeout(url), inst_data), cls.patience)

    @classmethod
    def _open(cls, url: str, inst_data: ConfigurableClassData | None) -> Self:
        # On a new database every process creates Dagster's tables. Of two that start together, such as webserver and
        # daemon, one would fail to, and continue without its tables.
        with one_process_at_a_time(url):
            return cls(url, inst_data)


def _with_connect_timeout(url: str) -> str:
    """The URL with a time limit for connecting, without which Dagster would wait for a frozen server for ever."""
    if "connect_timeout" in sa.make_url(url).query:
        return url
    return f"{url}{'&' if '?' in url else '?'}connect_timeout={_CONNECT_SECONDS}"


def _as_written(url: str) -> str:
    """The URL as `.env` has it, where Dagster has read it from there: Dagster expands `${...}` in a password."""
    if url != os.environ.get("DAGSTER_PG_URL"):
        return url
    return read_environment(("dagster_pg_url",)).get("dagster_pg_url", url)


@contextlib.contextmanager
def one_process_at_a_time(url: str) -> Iterator[None]:
    """Hold an advisory lock that ends with its connection, however this process ends."""
    engine = create_engine(url, application_name="aggregation storage", statement_timeout=_LOCK_SECONDS)
    with engine.connect() as connection:
        wait_in_session(connection, lock_key(AdvisoryLock.DAGSTER_STORAGE))
        yield

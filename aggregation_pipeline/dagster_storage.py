"""Dagster's own storage in PostgreSQL, by a URL that is made right before Dagster uses it.

dagster.yaml names this class, so that every process of Dagster (webserver, daemon, code server, run) takes the same URL, however it
was started: psycopg2 for a plain postgresql://, a session in UTC, and words instead of a traceback for what cannot be made right.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Final, Self

import sqlalchemy as sa
from dagster import StringSource
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage

from aggregation_pipeline.environment import read_environment
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.postgres import KEEPALIVES, create_engine, normalize_url, reason, require_right_url

# Webserver and daemon send away and delete the files in $DAGSTER_HOME/logs, which are ours where that is LOG_DIR, whatever `telemetry:` in
# dagster.yaml says. This variable alone stops them, and they load this module before they begin.
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")

# Any number does; it is another one than batch_jobs has for its own table.
_CREATION_LOCK: Final = 7_291_403_355_218_446_102
# Less than firewalls and poolers let a connection sit idle.
_KEPT_SECONDS: Final = 240
_PATIENCE_SECONDS: Final = 60.0


class _EventLog(PostgresEventLogStorage):
    """Dagster's event log, where a pool that two runs use for the first time at once does not fail one of them.

    Dagster inserts the pool and, when somebody else was first, goes on in a transaction that PostgreSQL has given up by then.

    It also opens a connection for each event, which takes longer than to store it. Here one is kept in each process, asked for a sign of
    life before each use, and not for long; further threads open and close theirs as before.
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
            # A connection that is kept may be the one to a machine that lost its power.
            connect_args=dict(KEEPALIVES),
        )

    def dispose(self) -> None:
        """Close the connection that was kept."""
        super().dispose()
        self._engine.dispose()

    def initialize_concurrency_limit_to_default(self, concurrency_key: str) -> bool:
        """Make the pool known, one process at a time; one that is known already is left alone."""
        with _alone(self.postgres_url):
            return concurrency_key in self.get_concurrency_keys() or super().initialize_concurrency_limit_to_default(concurrency_key)


class PostgresStorage(DagsterPostgresStorage):
    """`DagsterPostgresStorage`, its `postgres_url` put right first."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        self._event_log_storage = _EventLog(postgres_url)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """What stands under `config` in dagster.yaml."""
        return {"postgres_url": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: dict[str, Any]) -> Self:  # type: ignore[override]
        """Open the storage.

        Raises:
            SettingsError: the URL is of another database or driver, PGTZ in the environment would shift Dagster's times, or no server
                answers.
        """
        url = normalize_url(_as_it_stands(config_value["postgres_url"]), name="DAGSTER_PG_URL")
        require_right_url(url)
        # On a new database every process makes Dagster's tables. The webserver and the daemon, or two runs, that start together
        # would be in each other's way, and one of them would go on without its tables.
        try:
            with _alone(url):
                return cls(url, inst_data)
        except sa.exc.OperationalError as error:
            raise SettingsError(
                f"Dagster's PostgreSQL does not answer: {reason(error)}. Check DAGSTER_PG_URL and that the server runs"
            ) from error


def _as_it_stands(url: str) -> str:
    """The URL as `.env` has it, where Dagster has read it from there: an expanded password would be another."""
    if url != os.environ.get("DAGSTER_PG_URL"):
        return url
    return read_environment(("dagster_pg_url",)).get("dagster_pg_url", url)


@contextlib.contextmanager
def _alone(url: str) -> Iterator[None]:
    """Hold an advisory lock that ends with its connection, however this process ends."""
    engine = create_engine(url, application_name="aggregation storage", statement_timeout=_PATIENCE_SECONDS)
    with engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(_CREATION_LOCK)))
        yield

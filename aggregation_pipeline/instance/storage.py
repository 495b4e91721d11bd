"""Dagster's own storage in PostgreSQL, by a URL that is normalised before Dagster uses it.

dagster.yaml names this class, so every process of Dagster (webserver, daemon, code server, run) uses the same URL,
however it was started: psycopg2 for a plain postgresql://, and a session in UTC. A URL that cannot be used gives a
message instead of a traceback.
"""

import functools
import logging
import os
from typing import Any, ClassVar, Final, Self

import sqlalchemy as sa
from dagster import StringSource
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresRunStorage

from aggregation_pipeline.instance.event_storage import EventStorage
from aggregation_pipeline.instance.log_filters import install_log_filters
from aggregation_pipeline.instance.named_variables import variables_of_dagster_yaml
from aggregation_pipeline.instance.run_launcher import refuse_old_dagster_yaml
from aggregation_pipeline.instance.schema import (
    BEGINNINGS,
    SeenInSchema,
    count_beginnings,
    has_no_run,
    make_tables,
    one_process_at_a_time,
)
from aggregation_pipeline.instance.wait_for_postgres import wait_until_available
from aggregation_pipeline.postgres.engine import KEEPALIVES
from aggregation_pipeline.postgres.frozen_server import end_waits_when_frozen
from aggregation_pipeline.postgres.kept_connection import KEEP_ONE, check_before_use
from aggregation_pipeline.postgres.url import normalize_url, require_normalized
from aggregation_pipeline.settings import telemetry
from aggregation_pipeline.settings.env_precedence import restore_environment
from aggregation_pipeline.settings.environment import read_environment, resolve_value_files
from aggregation_pipeline.settings.grpc_messages import LARGE_MESSAGES
from aggregation_pipeline.settings.log_once import begin_log_record, log_once

_log = logging.getLogger(__name__)

# Every process of Dagster loads this module before it reads the variables in dagster.yaml, sends telemetry or starts
# other processes. So these calls are made on import.
os.environ.setdefault(telemetry.VARIABLE, "1")
# So many events of one output, or of the plan of one run, are stored at once. Dagster's own default is each by itself.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "100")
for _name, _value in LARGE_MESSAGES.items():
    os.environ.setdefault(_name, _value)
restore_environment()
resolve_value_files(variables_of_dagster_yaml())
install_log_filters()
# A service waits for a PostgreSQL that starts later than it. A process that a service has started waits less, because
# the service waits for it.
_PATIENCE: Final = 300.0 if begin_log_record() else 60.0
if _left := telemetry.queued_files_warning():
    log_once(_log, logging.WARNING, _left)

_CONNECT_SECONDS: Final = 10


class _RunStorage(PostgresRunStorage):
    """Dagster's table of runs, by the connection that the process keeps."""

    def __init__(self, postgres_url: str, engine: sa.Engine, *, create: bool) -> None:
        super().__init__(postgres_url, should_autocreate_tables=create)
        self._engine = engine
        self._seen = SeenInSchema()

    def has_run_stats_index_cols(self) -> bool:
        """Return whether the table has the columns of times. No release of Dagster takes them away."""
        return self._seen.once("columns of times", super().has_run_stats_index_cols)

    def delete_run(self, run_id: str) -> None:
        """Delete a run, and what it has printed, which Dagster would leave."""
        super().delete_run(run_id)
        if self.has_instance:
            from aggregation_pipeline.instance.compute_logs import delete_logs_of_run

            delete_logs_of_run(self._instance, run_id)


class PostgresStorage(DagsterPostgresStorage):
    """`DagsterPostgresStorage` with its `postgres_url` normalised first.

    `patience` is how many seconds a process waits for a PostgreSQL that does not answer when it starts.
    """

    patience: ClassVar[float] = _PATIENCE

    def __init__(
        self, postgres_url: str, inst_data: ConfigurableClassData | None = None, *, create: bool = True
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables=create, inst_data=inst_data)
        # Dagster opens a connection for each event and each question, which takes longer than what it is for.
        engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT", connect_args=dict(KEEPALIVES), **KEEP_ONE)
        check_before_use(engine)
        end_waits_when_frozen(engine)
        self._run_storage = runs = _RunStorage(postgres_url, engine, create=False)
        self._event_log_storage = EventStorage(postgres_url, engine, runs, create=False)

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
        refuse_old_dagster_yaml()
        url = normalize_url(_as_written(config_value["postgres_url"]), name="DAGSTER_PG_URL")
        require_normalized(url)
        return wait_until_available(functools.partial(cls._open, _with_connect_timeout(url), inst_data), cls.patience)

    @classmethod
    def _open(cls, url: str, inst_data: ConfigurableClassData | None) -> Self:
        # On a new database every process creates Dagster's tables. Of two that start together, such as webserver and
        # daemon, one would fail to, and continue without its tables.
        with one_process_at_a_time(url) as connection:
            found = count_beginnings(connection)
            if not found:
                make_tables(connection)
            storage = cls(url, inst_data, create=0 < found < len(BEGINNINGS))
            if has_no_run(connection):
                storage.finish_tables()
            return storage

    def finish_tables(self) -> None:
        """Note in new tables that they need no migration of data, where that is not noted yet."""
        self.run_storage.migrate()
        self.run_storage.optimize()
        self.event_log_storage.reindex_events()
        self.event_log_storage.reindex_assets()
        self.schedule_storage.migrate()
        self.schedule_storage.optimize()


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

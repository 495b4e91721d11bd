"""Dagster's own storage in PostgreSQL, by a URL that is made right before Dagster uses it.

dagster.yaml names this class, so that every process of Dagster (webserver, daemon, code server, run) takes the same URL, however it
was started: psycopg2 for a plain postgresql://, a session in UTC, and words instead of a traceback for what cannot be made right.
"""

from typing import Any, Self

from dagster import StringSource
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from aggregation_pipeline.postgres import normalize_url, require_right_url


class PostgresStorage(DagsterPostgresStorage):
    """`DagsterPostgresStorage`, its `postgres_url` put right first."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """What stands under `config` in dagster.yaml."""
        return {"postgres_url": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: dict[str, Any]) -> Self:  # type: ignore[override]
        """Open the storage.

        Raises:
            SettingsError: the URL is of another database or driver, or PGTZ in the environment would shift Dagster's times.
        """
        url = normalize_url(config_value["postgres_url"], name="DAGSTER_PG_URL")
        require_right_url(url)
        return cls(url, inst_data=inst_data)

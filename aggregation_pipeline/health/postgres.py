"""Whether Dagster's PostgreSQL answers and takes writes."""

from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.health.probe import LIMIT_SECONDS
from aggregation_pipeline.postgres.engine import create_engine, deadline, safe_reason

# After a failover the old address may lead to a replica.
_IS_REPLICA: Final = sa.text("SELECT pg_is_in_recovery()")


class PostgresCheck:
    """Asks by a connection of its own, which is kept: Dagster's own may all be waiting."""

    def __init__(self, url: str) -> None:
        seconds = int(LIMIT_SECONDS)
        self._engine = create_engine(
            url, application_name="aggregation health", statement_timeout=seconds, connect_timeout=seconds, keep=True
        )

    def __call__(self) -> str | None:
        """Return why no run could be stored, None if one could."""
        try:
            # Without a transaction there is no ROLLBACK, for which nothing would limit the time.
            with (
                self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
                deadline(connection, LIMIT_SECONDS),
            ):
                is_replica = connection.execute(_IS_REPLICA).scalar_one()
        except sa.exc.SQLAlchemyError as error:
            return f"Dagster's PostgreSQL does not answer ({safe_reason(error)})"
        return "Dagster's PostgreSQL takes no writes: it is a replica" if is_replica else None

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

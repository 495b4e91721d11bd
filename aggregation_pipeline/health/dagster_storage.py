"""What it means for a check when Dagster's storage raises an error."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from dagster_postgres.utils import DagsterPostgresException

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.postgres.engine import safe_reason


@contextmanager
def outage_of_storage() -> Iterator[None]:
    """Turn errors of Dagster's storage into one of ours.

    Raises:
        SettingsError: PostgreSQL does not answer, or refuses.
    """
    try:
        yield
    except (sa.exc.SQLAlchemyError, DagsterPostgresException) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise SettingsError(f"Dagster's PostgreSQL does not answer ({safe_reason(cause)})") from None

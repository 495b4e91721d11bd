"""SQLAlchemy's errors about batch_jobs, as errors of the mirror."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from aggregation_pipeline.errors import MirrorBusyError, MirrorError
from aggregation_pipeline.postgres.engine import safe_reason


@contextmanager
def mirror_errors(*, refused: str, attempt: str = "") -> Iterator[None]:
    """Raise MirrorBusyError where PostgreSQL does not answer, MirrorError where it refuses.

    `refused` is the message of the second, with {reason} in it. `attempt` says what was tried, for the first.
    """
    try:
        yield
    # Without their causes: PostgreSQL's own error shows the row that it refuses.
    except sa.exc.OperationalError as error:
        raise MirrorBusyError(
            f"{attempt and attempt + ': '}batch_jobs cannot be reached ({safe_reason(error)}). Check BATCH_JOBS_URL"
            " (without it, DAGSTER_PG_URL) and that the server runs"
        ) from None
    except sa.exc.SQLAlchemyError as error:
        raise MirrorError(refused.format(reason=safe_reason(error))) from None

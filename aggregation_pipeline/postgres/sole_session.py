"""A session that holds an advisory lock nobody waits for: of two commands at once, the second is refused."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from aggregation_pipeline.errors import LockError, SettingsError
from aggregation_pipeline.postgres.advisory_lock import (
    AdvisoryLock,
    describe_holder,
    lock_key,
    prepare_lock_session,
    try_in_session,
)
from aggregation_pipeline.postgres.engine import create_engine, safe_reason


@contextmanager
def sole_session(url: str, lock: AdvisoryLock, *, what: str, application_name: str) -> Iterator[sa.Connection]:
    """Hold the lock in Dagster's PostgreSQL; yield the connection. The lock ends with this process, however that ends.

    Raises:
        LockError: another process holds it. `what` says what that is: "test of batch_jobs".
        SettingsError: PostgreSQL does not answer.
    """
    try:
        connection = create_engine(url, application_name=application_name).connect()
    except sa.exc.SQLAlchemyError as error:
        raise SettingsError(
            f"Dagster's PostgreSQL does not answer ({safe_reason(error)}). Check DAGSTER_PG_URL and that it runs"
        ) from None
    with connection:
        key = lock_key(lock)
        prepare_lock_session(connection)
        if not try_in_session(connection, key):
            holder, since = describe_holder(connection, key) or ("one that has just ended", "")
            raise LockError(f"another {what} is at work: {holder}{since}. Wait for its end, and try again")
        connection.commit()
        yield connection

"""How far this machine's clock is from that of OSS, which refuses requests that are 15 minutes off."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import oss2

from aggregation_pipeline.storage.oss.connection import Connection


def seconds_ahead(connection: Connection, key: str) -> float | None:
    """Return how many seconds this machine's clock is ahead; None if the reply has no date.

    `key` is of an object that need not be there: a refusal has a date too.

    Raises:
        StorageError: OSS cannot be reached.
    """

    def date() -> str:
        try:
            headers = connection.bucket.get_object(key).headers
        except oss2.exceptions.ServerError as error:
            if error.status >= 500:
                raise
            headers = error.headers
        return str(headers.get("Date", ""))

    stated = connection.with_retries(f"read {key!r}", date)
    try:
        return (datetime.now(UTC) - parsedate_to_datetime(stated)).total_seconds()
    except (ValueError, TypeError):
        return None

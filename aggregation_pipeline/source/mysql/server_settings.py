"""Settings of a server that has no variables of MySQL's but a table of its own settings: ClickHouse.

The table tells the unit of each setting, so none is guessed.
"""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from aggregation_pipeline.source.mysql.capabilities import StatementLimit
from aggregation_pipeline.source.mysql.errors import is_refusal

_LIMIT: Final = "max_execution_time"
_READ_ONLY: Final = "readonly"
# Nothing may be written, and settings may still be changed: 1 would lock the limit as well.
_READS_ALONE: Final = 2
_QUESTION: Final = f"SELECT name, value, type FROM system.settings WHERE name IN ('{_LIMIT}', '{_READ_ONLY}')"
_PER_SECOND: Final = {"Seconds": 1, "Milliseconds": 1000}


def set_settings(connection: sa.Connection, seconds: int) -> tuple[StatementLimit | None, bool]:
    """Limit statements to so many seconds and let the session only read, and read both back.

    Returns the limit, if it holds, and whether the session only reads. Other servers refuse the question.

    Raises:
        sqlalchemy.exc.DBAPIError: the connection is lost.
    """
    try:
        before = _settings(connection)
        per_second = _PER_SECOND.get(before.get(_LIMIT, ("", ""))[1])
        if per_second is None:
            return None, False
        connection.exec_driver_sql(f"SET {_LIMIT} = {seconds * per_second}, {_READ_ONLY} = {_READS_ALONE}")
        after = _settings(connection)
    except DBAPIError as error:
        if not is_refusal(error):
            raise
        return None, False
    holds = after[_LIMIT][0] == str(seconds * per_second)
    return (StatementLimit(_LIMIT, per_second) if holds else None), after[_READ_ONLY][0] in {"1", "2"}


def _settings(connection: sa.Connection) -> Mapping[str, tuple[str, str]]:
    """Value and type of each setting, by name."""
    return {str(name): (str(value), str(kind)) for name, value, kind in connection.exec_driver_sql(_QUESTION)}

"""Switch ONLY_FULL_GROUP_BY off for views: it is meant for entries, not for the views that they read."""

import contextlib
from collections.abc import Iterator
from typing import Final

from aggregation_pipeline.source.mysql.pymysql_internals import PyMySQLConnection

_OFF: Final = "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'ONLY_FULL_GROUP_BY', '')"
_ON: Final = "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',ONLY_FULL_GROUP_BY')"


def disable_full_group_by(connection: PyMySQLConnection) -> None:
    """Accept views as they are for the rest of the session."""
    connection.query(_OFF)


@contextlib.contextmanager
def full_group_by_disabled(connection: PyMySQLConnection) -> Iterator[None]:
    """Accept views as they are inside the block."""
    disable_full_group_by(connection)
    yield
    # Not after an error: it ends the session, and perhaps the connection is lost.
    connection.query(_ON)

"""ONLY_FULL_GROUP_BY is for entries, not for the views that they read."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

_OFF: Final = "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'ONLY_FULL_GROUP_BY', '')"
_ON: Final = "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',ONLY_FULL_GROUP_BY')"


def switch_off(connection: Any) -> None:  # noqa: ANN401
    """Take views as they are, for the rest of the session of a PyMySQL connection."""
    connection.query(_OFF)


@contextlib.contextmanager
def switched_off(connection: Any) -> Iterator[None]:  # noqa: ANN401
    """Take views as they are, for a while."""
    switch_off(connection)
    yield
    # Not after an error: the session is at its end then, and maybe its connection.
    connection.query(_ON)

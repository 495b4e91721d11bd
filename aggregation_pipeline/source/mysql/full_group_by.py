"""ONLY_FULL_GROUP_BY is for entries, not for the views that they read."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

_OFF: Final = "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'ONLY_FULL_GROUP_BY', '')"
_ON: Final = "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',ONLY_FULL_GROUP_BY')"


def disable_full_group_by(connection: Any) -> None:  # noqa: ANN401
    """Take views as they are, for the rest of the session of a PyMySQL connection."""
    connection.query(_OFF)


@contextlib.contextmanager
def full_group_by_disabled(connection: Any) -> Iterator[None]:  # noqa: ANN401
    """Take views as they are, for a while."""
    disable_full_group_by(connection)
    yield
    # Not after an error: the session is at its end then, and maybe its connection.
    connection.query(_ON)

"""In which dialect the SQL of an entry is written, while the entry is checked.

Models inside of an entry see nothing of the entry around them, so its dialect is in use while it is validated. Whoever
reads SQL later, of entries of several sources, says whose dialect it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.mysql import MYSQL

_IN_USE: Final[ContextVar[Dialect]] = ContextVar("dialect", default=MYSQL)


@contextmanager
def using(dialect: Dialect) -> Iterator[None]:
    """Read SQL in this dialect in the body, where no other is named."""
    token = _IN_USE.set(dialect)
    try:
        yield
    finally:
        _IN_USE.reset(token)


def dialect_in_use() -> Dialect:
    """The dialect of the entry that is validated; elsewhere MySQL's."""
    return _IN_USE.get()

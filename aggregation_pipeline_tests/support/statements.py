"""What this process asks of its servers by SQLAlchemy."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa


@contextmanager
def counted_connections(counts: Counter[str], executed: Callable[..., None]) -> Iterator[None]:
    """Count the new connections as `connections`, and call `executed` before each statement, as SQLAlchemy does."""

    def connected(*_: object) -> None:
        counts["connections"] += 1

    sa.event.listen(sa.Pool, "connect", connected)
    sa.event.listen(sa.Engine, "before_cursor_execute", executed)
    try:
        yield
    finally:
        sa.event.remove(sa.Pool, "connect", connected)
        sa.event.remove(sa.Engine, "before_cursor_execute", executed)

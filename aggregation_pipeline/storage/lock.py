"""What publishing and retention need of the lock on a window, whoever holds it: in production a session of PostgreSQL
(postgres/window_lock.py).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Lock(Protocol):
    """A lock that is held on one window of a table."""

    def assert_held(self) -> None:
        """Raise LockError when it is lost: somebody else may be at work on the window by now."""

    def hold_also(self, window: str, /) -> AbstractContextManager[None]:
        """Hold the lock on another name of the table as well, for the body; LockError where this one is lost."""
        ...

    def reacquire(self) -> "AbstractContextManager[Lock]":
        """Take a lock that was lost once more, waiting for whoever has it now."""
        ...


class NoLock:
    """For whoever is alone with a store."""

    def assert_held(self) -> None:
        """It cannot be lost."""

    @contextmanager
    def hold_also(self, window: str, /) -> Iterator[None]:  # noqa: ARG002
        """There is nobody to hold off."""
        yield

    @contextmanager
    def reacquire(self) -> Iterator["NoLock"]:
        """The same."""
        yield self

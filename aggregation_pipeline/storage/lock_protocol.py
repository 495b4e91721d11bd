"""What publishing and retention need of a window's lock.

In production a session of PostgreSQL holds it: postgres/window_lock.py.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Lock(Protocol):
    """The lock on one window of a table, while it is held."""

    def assert_held(self) -> None:
        """Raise LockError when it is lost: another process may work on the window by now."""

    def hold_also(self, name: str, /) -> AbstractContextManager[None]:
        """Hold the lock on another name of the table as well, for the body. LockError where this lock is lost."""
        ...

    def reacquire(self) -> "AbstractContextManager[Lock]":
        """Take a lost lock again, waiting for whoever has it now."""
        ...


class NoLock:
    """The lock of a process that is alone with its store. It cannot be lost."""

    def assert_held(self) -> None:
        """Do nothing."""

    @contextmanager
    def hold_also(self, _name: str, /) -> Iterator[None]:
        """Run the body: there is nobody to keep out."""
        yield

    @contextmanager
    def reacquire(self) -> Iterator["NoLock"]:
        """Give the same lock."""
        yield self

"""Who wants to know how the tables of this process are getting on, and what they warn of: the terminal of `demo` and
`run` listens here.
"""

import contextlib
from collections.abc import Callable, Iterator

# Table, dataset, rows read, rows to come in all (None: only the end will tell).
Listener = Callable[[str, str, int, int | None], None]
_listeners: list[Listener] = []
_warned: list[Callable[[str], None]] = []


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener` for every progress in this process while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell(table: str, dataset: str, done: int, total: int | None) -> None:
    """Pass a progress on to whoever listens."""
    for listener in _listeners:
        listener(table, dataset, done, total)


@contextlib.contextmanager
def hearing_warnings(listener: Callable[[str], None]) -> Iterator[None]:
    """Call `listener` for every warning of a table in this process while the block runs."""
    _warned.append(listener)
    try:
        yield
    finally:
        _warned.remove(listener)


def warn(text: str) -> None:
    """Pass a warning on to whoever listens."""
    for listener in _warned:
        listener(text)

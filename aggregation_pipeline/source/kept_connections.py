"""Connections that one session leaves to the next, while a run goes on."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Final, Protocol


class Closable(Protocol):
    """What keeps connections: an engine."""

    def dispose(self) -> None:
        """Close them."""


class _Keepers:
    """How many runs of this process keep their connections."""

    def __init__(self) -> None:
        self.count = 0
        self.engines: set[Closable] = set()
        self.lock = threading.Lock()


_keepers: Final = _Keepers()


@contextlib.contextmanager
def kept_connections() -> Iterator[None]:
    """Let sessions that end in the body leave their connections to the next; the end closes them."""
    with _keepers.lock:
        _keepers.count += 1
    try:
        yield
    finally:
        with _keepers.lock:
            _keepers.count -= 1
            idle = [] if _keepers.count else [_keepers.engines.pop() for _ in range(len(_keepers.engines))]
        for engine in idle:
            engine.dispose()


def keep(engine: Closable) -> bool:
    """Whether a connection is to be left in its engine, because a run goes on, at whose end the engine is disposed."""
    with _keepers.lock:
        if _keepers.count > 0:
            _keepers.engines.add(engine)
        return _keepers.count > 0

"""Imports that a library makes only because the module happens to be installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_out(name: str) -> Iterator[None]:
    """Let `name` count as not installed for the imports of the body, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    # The import system takes None for a module that cannot be had.
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]

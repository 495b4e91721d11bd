"""Pauses the garbage collector while a process makes what it keeps to its end, such as modules and definitions.

The collector would walk through all of it several times meanwhile, and find no garbage.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def garbage_collection_paused(*, then_freeze: bool = False) -> Iterator[None]:
    """Pause the collector for the body: a fifth of the time of loading a project goes there.

    With `then_freeze`, it never walks through what the body has made later either, which is a sixth of the processor
    time of a small run.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        if then_freeze:
            gc.freeze()
    finally:
        if was_enabled:
            gc.enable()

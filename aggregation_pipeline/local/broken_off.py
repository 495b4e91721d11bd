"""A run of this process that is broken off outside of Dagster's hands: it fails at once, like one broken off inside."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from dagster import DagsterInstance

BROKEN_OFF: Final = (
    "The process of this run broke it off: it was told to end, or Dagster's PostgreSQL did not take an event. What was"
    " published before is unchanged. Run it again"
)


@contextmanager
def failing_when_broken_off(instance: DagsterInstance, run_id: str) -> Iterator[None]:
    """Mark the run as failed if the body is left by an exception while it is open.

    Dagster sees to that only between the events that it stores, and handles SIGTERM only while steps are executed.
    Without a daemon, nobody else would ever say that the run is over.
    """
    with sigterm_like_ctrl_c():
        try:
            yield
        except BaseException:
            # PostgreSQL may be what failed. Then the reconciler marks the run.
            with suppress(Exception):
                run = instance.get_run_by_id(run_id)
                if run is not None and not run.is_finished:
                    instance.report_run_failed(run, BROKEN_OFF)
            raise


@contextmanager
def sigterm_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, unless somebody handles it or this is not the main thread."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

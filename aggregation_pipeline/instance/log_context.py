"""What the lines of this process belong to: the run, the table and the window that is worked on.

Dagster says the run and the step of its own lines only. Lines of modules that know nothing of Dagster, and those of the
threads that they start, get the rest here: a process works on one table at a time.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from aggregation_pipeline.instance.worker_run import run_id_of_this_process


@dataclass(frozen=True)
class Work:
    """What is worked on: the run's id, the name of the entry, and the window once there is one."""

    run_id: str | None = None
    table: str | None = None
    window: str | None = None


_at_work: Final[dict[int, Work]] = {}
_tables_of_steps: Final[dict[str, str]] = {}


@contextmanager
def working_on(run_id: str, table: str, window: str | None = None) -> Iterator[None]:
    """Let the lines of this thread, and of threads without work of their own, belong to this until the end."""
    thread = threading.get_ident()
    before = _at_work.get(thread)
    _at_work[thread] = Work(run_id, table, window)
    try:
        yield
    finally:
        if before is None:
            _at_work.pop(thread, None)
        else:
            _at_work[thread] = before


def current_work() -> Work:
    """Return what a line that is logged now belongs to.

    Of another thread's work only if there is no other: two that call `collect_all` must not take each other's lines.
    """
    if work := _at_work.get(threading.get_ident()):
        return work
    works = list(_at_work.values())
    return works[0] if len(works) == 1 else Work(run_id_of_this_process())


def work_of_step(step: str | None) -> Work:
    """Return the same for a line of `step`, as Dagster says. Its table is known before the work on it begins."""
    work = current_work()
    table = _tables_of_steps.get(step or "")
    return work if work.table == table else replace(work, table=table, window=None)


def name_step(step: str, table: str) -> None:
    """Remember the entry of a step: where Dagster does not take an entry's name, the step's holds a hash."""
    _tables_of_steps[step] = table


def _forget_work() -> None:
    # A process that was forked works on nothing yet.
    _at_work.clear()


os.register_at_fork(after_in_child=_forget_work)

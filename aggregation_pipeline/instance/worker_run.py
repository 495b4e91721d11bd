"""Which run this process works for, if it is a run's own process or that of one of its steps.

Dagster does not say so when it loads the code, which it does in such a process as in any other. But the first event
that such a process stores says that it has started, and the storage is ours.
"""

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dagster import DagsterEventType, DagsterRun, EventLogEntry, RunsFilter

if TYPE_CHECKING:
    from dagster_postgres import PostgresRunStorage

# What Dagster writes in a run's own process, before it loads the code. Other processes that execute runs, such as those
# that call `execute_job`, do not write it.
STARTED: Final = ("Started process for run (pid: {pid}).", "Started process for resuming job (pid: {pid}).")


@dataclass(frozen=True, eq=False)
class WorkerRun:
    """What a process of a run works for. There is one in a process.

    Attributes:
        run: the run.
        module: whose definitions Dagster loads for the run; None where that is no module.
        plan: the keys of all steps of the run's plan.
        step: the only step that this process executes; None in the run's own process.
    """

    run: DagsterRun
    module: str | None
    plan: frozenset[str]
    step: str | None


@dataclass(frozen=True)
class _Start:
    """Where a process has said that it starts."""

    process: int
    runs: "PostgresRunStorage"
    run_id: str
    step: str | None


_starts: list[_Start] = []


def note_start(event: EventLogEntry, runs: "PostgresRunStorage") -> None:
    """Remember the run of `event`, if the event says that this process works for it."""
    if _is_start_of_run(event) or (event.dagster_event_type == DagsterEventType.STEP_WORKER_STARTED and event.step_key):
        _starts.append(_Start(os.getpid(), runs, event.run_id, event.step_key))


def run_of_this_process() -> WorkerRun | None:
    """Return what this process works for; None where it works for no run, or where nothing is known of it."""
    # A process that was forked has those of its parent too.
    starts = [start for start in _starts if start.process == os.getpid()]
    if len(starts) != 1:
        return None
    return _read(starts[0])


def run_id_of_this_process() -> str | None:
    """Return the id of the run that this process works for; the newest, where it has worked for several."""
    return next((start.run_id for start in reversed(_starts) if start.process == os.getpid()), None)


@functools.lru_cache(maxsize=1)
def _read(start: _Start) -> WorkerRun | None:
    run = next(iter(start.runs.get_runs(RunsFilter(run_ids=[start.run_id]))), None)
    if run is None or run.job_code_origin is None or run.execution_plan_snapshot_id is None:
        return None
    module = getattr(run.job_code_origin.repository_origin.code_pointer, "module", None)
    plan = start.runs.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    return WorkerRun(run, module, frozenset(step.key for step in plan.steps), start.step)


def _is_start_of_run(event: EventLogEntry) -> bool:
    if event.dagster_event_type != DagsterEventType.ENGINE_EVENT:
        return False
    return event.get_dagster_event().message in [text.format(pid=os.getpid()) for text in STARTED]

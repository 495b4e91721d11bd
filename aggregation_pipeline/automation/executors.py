"""In which processes the tables of one run are computed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal

from dagster import (
    DagsterEvent,
    DagsterInstance,
    DagsterRun,
    Executor,
    ExecutorDefinition,
    InitExecutorContext,
    in_process_executor,
    multiprocess_executor,
)
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig

# Tables that one run computes at the same time. Pools limit the use of the database in addition.
MAX_CONCURRENT: Final = 4
_PRELOADED: Final = "aggregation_pipeline.definitions"

# What happens in the process of a run before its first table.
BeginRun = Callable[[DagsterInstance, DagsterRun], None]
# worker_heartbeat in runs/heartbeat.py, with the URL of the locks.
Heartbeat = Callable[[DagsterInstance, DagsterRun], AbstractContextManager[None]]


def build_executor(
    name: Literal["in_process", "multiprocess"], begin_run: BeginRun, heartbeat: Heartbeat
) -> ExecutorDefinition:
    """Return the executor of all jobs, which calls `begin_run` before the first table of a run is read.

    With processes of their own for the steps it also holds the `heartbeat`: none of these processes stands for the
    run. In one process the resource of that name does it.

    One process for all tables is the default. On two cores with the database beside them, a process for each table
    takes twice as long for twenty tables and three times as long for three (docs/performance.md). Processes pay off
    where the database answers slowly and several tables can wait for it at once. They are forked from a process that
    has imported everything; Dagster's own default starts a new interpreter for each.
    """
    if name == "in_process":
        return that_begins(in_process_executor, begin_run)
    forked = multiprocess_executor.configured(
        {"max_concurrent": MAX_CONCURRENT, "start_method": {"forkserver": {"preload_modules": [_PRELOADED]}}},
        name="multiprocess",
    )
    return that_begins(forked, begin_run, heartbeat)


def _no_heartbeat(_instance: DagsterInstance, _run: DagsterRun) -> AbstractContextManager[None]:
    return nullcontext()


def that_begins(
    executor: ExecutorDefinition, begin_run: BeginRun, heartbeat: Heartbeat = _no_heartbeat
) -> ExecutorDefinition:
    """Return `executor`, which also calls `begin_run` before a run's first step and holds the `heartbeat`.

    Both happen in the process of the run, not in those of its steps.
    """
    create = executor.executor_creation_fn
    if create is None:
        return executor

    def create_that_begins(context: InitExecutorContext) -> Executor:
        return _ExecutorThatBegins(create(context), begin_run, heartbeat)

    return ExecutorDefinition(
        executor.name,
        config_schema=executor.config_schema,  # type: ignore[arg-type]
        requirements=executor.get_requirements,
        executor_creation_fn=create_that_begins,
        description=executor.description,
    )


class _ExecutorThatBegins(Executor):
    """Does what `inner` does, after one call of `begin_run` and under the `heartbeat`."""

    def __init__(self, inner: Executor, begin_run: BeginRun, heartbeat: Heartbeat) -> None:
        self._inner = inner
        self._begin_run = begin_run
        self._heartbeat = heartbeat

    @property
    def retries(self) -> RetryMode:
        return self._inner.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        return self._inner.step_dependency_config

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        self._begin_run(plan_context.instance, plan_context.dagster_run)
        with self._heartbeat(plan_context.instance, plan_context.dagster_run):
            yield from self._inner.execute(plan_context, execution_plan)

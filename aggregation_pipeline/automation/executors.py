"""Where the tables of one run are computed."""

from collections.abc import Iterator
from typing import Literal

from dagster import (
    DagsterEvent,
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

from aggregation_pipeline.batch_jobs.live_updates import StartLiveUpdates

# Tables that one run computes at the same time; pools limit the database besides.
AT_ONCE = 4
_PRELOADED = "aggregation_pipeline.definitions"


def build_executor(name: Literal["in_process", "multiprocess"], follow: StartLiveUpdates) -> ExecutorDefinition:
    """Return the executor of all jobs. Before the first table is read, `follow` is told of the run: it writes the row
    in batch_jobs.

    In one process is the default: on two cores, with the database beside them, processes take twice the time for twenty
    tables and three times for three (docs/performance.md). They pay off where the database answers slowly and several
    tables can wait for it at once. They are forked from one that has everything imported; Dagster's own default is a
    new interpreter for each.
    """
    if name == "in_process":
        return following(in_process_executor, follow)
    forked = multiprocess_executor.configured(
        {"max_concurrent": AT_ONCE, "start_method": {"forkserver": {"preload_modules": [_PRELOADED]}}},
        name="multiprocess",
    )
    return following(forked, follow)


def following(executor: ExecutorDefinition, follow: StartLiveUpdates) -> ExecutorDefinition:
    """Return `executor`, which tells `follow` of a run before its first step: in the run's own process, wherever the
    steps have theirs.
    """
    create = executor.executor_creation_fn
    if create is None:
        return executor

    def create_following(context: InitExecutorContext) -> Executor:
        return _Following(create(context), follow)

    return ExecutorDefinition(
        executor.name,
        config_schema=executor.config_schema,  # type: ignore[arg-type]
        requirements=executor.get_requirements,
        executor_creation_fn=create_following,
        description=executor.description,
    )


class _Following(Executor):
    """An executor that does what `inner` does."""

    def __init__(self, inner: Executor, follow: StartLiveUpdates) -> None:
        self._inner = inner
        self._follow = follow

    @property
    def retries(self) -> RetryMode:
        return self._inner.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        return self._inner.step_dependency_config

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        self._follow(plan_context.instance, plan_context.run_id)
        yield from self._inner.execute(plan_context, execution_plan)

"""Where the tables of one run are computed."""

from typing import Literal

from dagster import ExecutorDefinition, in_process_executor, multiprocess_executor

# Tables that one run computes at the same time; pools limit the database besides.
AT_ONCE = 4
_PRELOADED = "aggregation_pipeline.definitions"


def build_executor(name: Literal["in_process", "multiprocess"]) -> ExecutorDefinition:
    """Return the executor of all jobs.

    In one process is the default: on two cores, with the database beside them, processes take twice the time for twenty tables and three
    times for three (docs/performance.md). They pay off where the database answers slowly and several tables can wait for it at once.
    They are forked from one that has everything imported; Dagster's own default is a new interpreter for each.
    """
    if name == "in_process":
        return in_process_executor
    return multiprocess_executor.configured(
        {"max_concurrent": AT_ONCE, "start_method": {"forkserver": {"preload_modules": [_PRELOADED]}}}, name="multiprocess"
    )

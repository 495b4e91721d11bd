"""Where the tables of one run are computed."""

from typing import Literal

from dagster import ExecutorDefinition, in_process_executor, multiprocess_executor

# Tables that one run computes at the same time; pools limit the database besides.
AT_ONCE = 4
_PRELOADED = "aggregation_pipeline.definitions"


def build_executor(name: Literal["in_process", "multiprocess"]) -> ExecutorDefinition:
    """Return the executor of all jobs.

    In one process is the default: a table's own work does not get faster in a process of its own, whose start costs about a second.
    Processes pay off where the database answers slowly and several tables can wait for it at once. They are forked from one that has
    everything imported already: Dagster's default, a new interpreter for each, is some ten times slower for small tables.
    """
    if name == "in_process":
        return in_process_executor
    return multiprocess_executor.configured(
        {"max_concurrent": AT_ONCE, "start_method": {"forkserver": {"preload_modules": [_PRELOADED]}}}, name="multiprocess"
    )

"""The heartbeat as a resource: a run holds it from its start to its end, and so shows that its process lives."""

from collections.abc import Iterator
from typing import Final

from dagster import InitResourceContext, ResourceDefinition, resource

HEARTBEAT: Final = "heartbeat"


def build_heartbeat(*, locks_url: str, one_process: bool) -> ResourceDefinition:
    """Build the resource.

    Args:
        locks_url: PostgreSQL that holds the lock by which a run shows that its process lives.
        one_process: whether a run executes its steps in one process. If each step has a process of its own, none of
            them stands for the run, and the executor holds the heartbeat.
    """

    @resource(description="Shows that the run's process lives, so that its run is failed when the process is gone.")
    def heartbeat(context: InitResourceContext) -> Iterator[None]:
        from aggregation_pipeline.runs.heartbeat import in_own_process, worker_heartbeat

        # Not every use of a resource is a run. `aggregation-pipeline run` holds its heartbeat since before the run.
        if context.run is None or context.instance is None or not one_process or in_own_process(context.run):
            yield
            return
        with worker_heartbeat(context.instance, context.run, locks_url):
            yield

    return heartbeat

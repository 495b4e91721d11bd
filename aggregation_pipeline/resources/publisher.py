"""The IO manager as a resource: every run holds it from its start to its end, and shows meanwhile that its process
lives.
"""

from collections.abc import Iterator

from dagster import InitResourceContext, IOManagerDefinition, io_manager

from aggregation_pipeline.io_managers.oss import OSSIOManager
from aggregation_pipeline.runs.heartbeat import in_own_process, worker_heartbeat


def build_io_manager(manager: OSSIOManager, *, locks_url: str, one_process: bool) -> IOManagerDefinition:
    """Build the resource. Where each table has a process of its own, none of them stands for the run, and Dagster alone
    watches it.
    """

    @io_manager(  # type: ignore[arg-type]
        description="Publishes tables' windows, and whatever other assets return, on OSS or in the folder; loads both."
    )
    def resource(context: InitResourceContext) -> Iterator[OSSIOManager]:
        # A run that is tagged showed that it lives before it began; and not every use is a run.
        if context.run is None or context.instance is None or not one_process or in_own_process(context.run):
            yield manager
            return
        with worker_heartbeat(context.instance, context.run, locks_url):
            yield manager

    return resource

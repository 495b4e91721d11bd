"""Whether the web process has loaded the code, and the code server answers."""

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.remote_representation.code_location import GrpcServerCodeLocation
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.workspace import CodeLocationEntry

from aggregation_pipeline.health.probe import LIMIT_SECONDS


def code_problem(context: WorkspaceProcessContext) -> str | None:
    """Return why there is nothing to launch, None if there is."""
    entries = context.get_current_workspace().code_location_entries
    if not entries:
        return "the workspace names no code location"
    found = (_problem_of(name, entry) for name, entry in entries.items())
    return next(filter(None, found), None)


def _problem_of(name: str, entry: CodeLocationEntry) -> str | None:
    if entry.load_error is not None:
        # The UI has the message, which may be long.
        return f"{name} cannot be loaded ({entry.load_error.cls_name}): Deployment > Code locations says why"
    if entry.code_location is None:
        return f"{name} is being loaded"
    if isinstance(entry.code_location, GrpcServerCodeLocation):
        try:
            # Answered by the process that has the code: its proxy lives on when that process is gone.
            entry.code_location.client.get_server_id(timeout=int(LIMIT_SECONDS))
        except DagsterUserCodeUnreachableError:
            return f"the code server of {name} does not answer"
    return None

"""Before somebody loads the code again in the UI: whether it can be loaded.

Dagster ends the code server that has the old code even if the new one cannot load it, and then nothing can run.
"""

from collections.abc import Mapping
from typing import Any, Final

from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._core.workspace.context import WorkspaceRequestContext
from dagster_graphql.schema.errors import GraphenePythonError
from dagster_shared.error import SerializableErrorInfo

from aggregation_pipeline.services.changed_config import why_not_loadable
from aggregation_pipeline.services.code_server import DEFINITIONS, LOCATION

_RELOADS: Final = ("reloadRepositoryLocation", "reloadWorkspace")


def refused_reload(
    mutation: str, context: WorkspaceRequestContext, arguments: Mapping[str, Any]
) -> GraphenePythonError | None:
    """Return Dagster's answer for code that cannot be loaded; None if the mutation may go on. This takes some seconds.

    Code servers that the workspace starts itself are no concern of ours, nor is one that has no code to lose.
    """
    if mutation not in _RELOADS or arguments.get("repositoryLocationName", LOCATION) != LOCATION:
        return None
    entry = context.get_location_entry(LOCATION)
    if entry is None or entry.code_location is None or not isinstance(entry.origin, GrpcServerCodeLocationOrigin):
        return None
    why = why_not_loadable(DEFINITIONS)
    if why is None:
        return None
    message = f"The code cannot be loaded, so what was loaded before goes on: {why}"
    return GraphenePythonError(SerializableErrorInfo(message, [], "ConfigError"))  # type: ignore[no-untyped-call]

"""What each role may do in Dagster's UI, as the map of permissions that Dagster itself asks.

Its resolvers answer UnauthorizedError by it, and its UI disables the buttons and shows why.
"""

from collections.abc import Mapping
from typing import Final

from dagster._core.workspace.context import WorkspaceRequestContext
from dagster._core.workspace.permissions import (
    PermissionResult,
    Permissions,
    get_location_scoped_user_permissions,
    get_user_permissions,
)

from aggregation_pipeline.access.roles import Principal, Role
from aggregation_pipeline.runs.tags import REQUESTED_BY_TAG
from aggregation_pipeline.web.common.principal import LOCAL

# What an operator does every day: nothing of this is lost for ever. All else is for admins, also what later versions of
# Dagster add.
ROLES: Final[Mapping[str, Role]] = {
    **dict.fromkeys(Permissions, Role.ADMIN),
    Permissions.LAUNCH_PIPELINE_EXECUTION: Role.OPERATOR,
    Permissions.LAUNCH_PIPELINE_REEXECUTION: Role.OPERATOR,
    Permissions.TERMINATE_PIPELINE_EXECUTION: Role.OPERATOR,
    Permissions.LAUNCH_PARTITION_BACKFILL: Role.OPERATOR,
    Permissions.CANCEL_PARTITION_BACKFILL: Role.OPERATOR,
    Permissions.START_SCHEDULE: Role.OPERATOR,
    Permissions.STOP_RUNNING_SCHEDULE: Role.OPERATOR,
    Permissions.SCHEDULE_DRY_RUN: Role.OPERATOR,
    Permissions.EDIT_SENSOR: Role.OPERATOR,
    Permissions.SENSOR_DRY_RUN: Role.OPERATOR,
    Permissions.TOGGLE_AUTO_MATERIALIZE: Role.OPERATOR,
}


def acting_role(principal: Principal) -> Role:
    """Return with which role somebody acts in GraphQL. A token only reads there, whoever has it."""
    return Role.VIEWER if principal.scopes is not None else principal.role


class PrincipalContext(WorkspaceRequestContext):
    """Dagster's context of one request, with the permissions of who sends it."""

    def __init__(self, context: WorkspaceRequestContext, principal: Principal) -> None:
        super().__init__(
            instance=context.instance,
            current_workspace=context.get_current_workspace(),
            process_context=context.process_context,
            version=context.version,
            source=context.source,
            read_only=context.read_only,
        )
        self._principal = principal

    @property
    def principal(self) -> Principal:
        """Who sends the request."""
        return self._principal

    @property
    def permissions(self) -> Mapping[str, PermissionResult]:
        """Return what is allowed in the whole deployment."""
        return self._granted(get_user_permissions(self.read_only))

    def permissions_for_location(self, *, location_name: str) -> Mapping[str, PermissionResult]:
        """Return what is allowed in a code location; the same in each."""
        del location_name
        return self._granted(get_location_scoped_user_permissions(self.read_only))

    @property
    def show_instance_config(self) -> bool:
        """Whether dagster.yaml is shown, with the literals that are in it."""
        return self._principal.role >= Role.ADMIN and self._principal.scopes is None

    def get_viewer_tags(self) -> dict[str, str]:
        """Return the tags of backfills that are launched here, and of their runs."""
        return requested_by(self._principal)

    def _granted(self, possible: Mapping[str, PermissionResult]) -> Mapping[str, PermissionResult]:
        role = acting_role(self._principal)
        return {
            name: found if not found.enabled or role >= (need := ROLES.get(name, Role.ADMIN)) else _denied(role, need)
            for name, found in possible.items()
        }


def requested_by(principal: Principal) -> dict[str, str]:
    """Return the tags that say on a run who has launched it; none while nobody signs in."""
    return {} if principal == LOCAL else {REQUESTED_BY_TAG: principal.name}


def _denied(role: Role, need: Role) -> PermissionResult:
    return PermissionResult(
        enabled=False, disabled_reason=f"Your role is {role.name.lower()}. This needs {need.name.lower()}."
    )

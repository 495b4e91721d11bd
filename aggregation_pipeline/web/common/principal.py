"""Who sends a request, as authentication has found out."""

from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import Scope

from aggregation_pipeline.access.roles import Principal, Role

# On loopback, while there is no account: whoever reaches the service may do everything.
LOCAL: Final = Principal("local", Role.ADMIN)
_KEY: Final = "aggregation_pipeline.principal"


def set_principal(scope: Scope, principal: Principal | None) -> None:
    """Say who sends this request; `None` is nobody, who gets to open routes only."""
    scope[_KEY] = principal


def found_principal(connection: HTTPConnection) -> Principal | None:
    """Return who sends this request; None for nobody."""
    found: Principal | None = connection.scope.get(_KEY)
    return found


def shown_name(principal: Principal) -> str:
    """Return the name for people: in one that a provider gives, what follows # is for machines."""
    return principal.name.partition("#")[0] or principal.name


def principal_of(connection: HTTPConnection) -> Principal:
    """Return who sends this request.

    Raises:
        PermissionError: nobody has signed in. Routes that are not open are not reached then.
    """
    found = found_principal(connection)
    if found is None:
        raise PermissionError("Nobody has signed in.")
    return found

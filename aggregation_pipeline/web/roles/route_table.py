"""Who may ask for what: every route of this server, by method and path. What is not in this table is refused.

The table holds paths as routes have them, without the names of their parameters. It is applied to the routes
themselves, not to the paths of requests, so both can never read a path in two ways.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from aggregation_pipeline.access.roles import Principal, Role

_PARAMETER_NAME: Final = re.compile(r"\{\w+")


@dataclass(frozen=True)
class Need:
    """What somebody needs for a route.

    Attributes:
        role: the least role; None if the route is open to everybody.
        scopes: a token needs one of these besides. Without any, no token will do.
    """

    role: Role | None
    scopes: frozenset[str] = frozenset()

    def is_met_by(self, principal: Principal | None) -> bool:
        """Return whether this is somebody who may; `None` is nobody."""
        if self.role is None:
            return True
        if principal is None or principal.role < self.role:
            return False
        return principal.scopes is None or bool(self.scopes & principal.scopes)


_OPEN: Final = Need(None)
_READ: Final = Need(Role.VIEWER, frozenset({"read"}))
# Pages for people.
_VIEWER: Final = Need(Role.VIEWER)
_OPERATOR: Final = Need(Role.OPERATOR)
_ADMIN: Final = Need(Role.ADMIN)

# Dagster's scripts, styles and pictures: one route for each file and folder of its build.
_STATIC: Final = "GET (static)"

ROUTES: Final[Mapping[str, Need]] = {
    # Ours: health.py and sign_in/.
    "GET /health": _OPEN,
    "GET /health/live": _OPEN,
    "GET /health/ready": _OPEN,
    "GET /sign-in": _OPEN,
    "POST /sign-in": _OPEN,
    "GET /sign-in/style.css": _OPEN,
    "GET /sign-in/oidc": _OPEN,
    "GET /sign-in/oidc/callback": _OPEN,
    "POST /sign-out": _VIEWER,
    "GET /account": _VIEWER,
    "GET /account/password": _VIEWER,
    "POST /account/password": _VIEWER,
    # Ours, for programs too.
    "GET /openapi": _READ,
    "GET /openapi.json": _READ,
    "POST /aggregate": Need(Role.OPERATOR, frozenset({"run"})),
    "GET /aggregate/{}": Need(Role.VIEWER, frozenset({"read", "run"})),
    "GET /status": _READ,
    "GET /status/{}": _READ,
    "GET /metrics": _READ,
    "GET /files/{:path}": _READ,
    "GET /batches": _READ,
    "GET /batches/style.css": _READ,
    "GET /batches/tables/{:path}": _READ,
    "GET /batches/days/{}": _READ,
    "GET /batches/{:path}": _READ,
    # Dagster's. GraphQL is judged again field by field: see permissions.py and graphql_fields.py.
    _STATIC: _VIEWER,
    "GET /": _VIEWER,
    "GET /{:path}": _VIEWER,
    "GET /server_info": _VIEWER,
    "GET /dagit_info": _VIEWER,
    "GET /graphql": _READ,
    "POST /graphql": _READ,
    "WEBSOCKET /graphql": _READ,
    # They hold what a run's own code has printed, its configuration and all of its events.
    "GET /logs/{:path}": _OPERATOR,
    "GET /download_debug/{:str}": _OPERATOR,
    # They claim that something was made or checked which nobody here has made.
    "POST /report_asset_materialization/{:path}": _ADMIN,
    "POST /report_asset_check/{:path}": _ADMIN,
    "POST /report_asset_observation/{:path}": _ADMIN,
}


def open_paths() -> list[str]:
    """Return the paths that are open to everybody."""
    return sorted({key.partition(" ")[2] for key, need in ROUTES.items() if need.role is None})


def needs_of(route: BaseRoute) -> Mapping[str, Need]:
    """Return what each method of a route needs; empty if the route is not in the table."""
    return {key.partition(" ")[0]: ROUTES[key] for key in keys_of(route) if key in ROUTES}


def keys_of(route: BaseRoute) -> list[str]:
    """Return the keys under which a route is in the table, if it is there. HEAD is as GET."""
    if is_static(route):
        return [_STATIC]
    if isinstance(route, WebSocketRoute):
        return [f"WEBSOCKET {_nameless(route.path)}"]
    if not isinstance(route, Route):
        return [f"ANY {getattr(route, 'path', '')}"]
    return [f"{method} {_nameless(route.path)}" for method in sorted((route.methods or {"ANY"}) - {"HEAD"})]


def is_static(route: BaseRoute) -> bool:
    """Return whether a route is that of a file, or a folder of files, of Dagster's build."""
    # Mounts whose only content are routes of their own have no name.
    return (isinstance(route, Mount) and (route.name or "").endswith("_static")) or (
        isinstance(route, Route) and route.name == "root_static"
    )


def method_of(connection: HTTPConnection) -> str:
    """Return the method of a request as the table has it."""
    if connection.scope["type"] == "websocket":
        return "WEBSOCKET"
    method: str = connection.scope["method"]
    return "GET" if method == "HEAD" else method


def _nameless(path: str) -> str:
    return _PARAMETER_NAME.sub("{", path)

"""Dagster's webserver with our gate in front of it."""

import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route

from aggregation_pipeline.local.instance import open_storage
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.gate import Gate
from aggregation_pipeline.web.hosts import OwnHosts, bracketed, is_loopback

_log = logging.getLogger(__name__)
# Dagster's PostgreSQL, with the numbers of `dagster-webserver`: how long a statement may take, how long a connection is
# kept, and how many connections there may be besides those that are kept.
_STATEMENT_MS: Final = 15_000
_RECYCLE_SECONDS: Final = 3600
_OVERFLOW: Final = 20
# How often a page asks for news of its assets.
_POLL_MS: Final = 2000
# For requests that are still being answered at the end. Without a limit, websockets would stay open for ever.
_SHUTDOWN_SECONDS: Final = 5
# These routes serve any notebook below the working folder as a page of ours, with its scripts. This project has none.
_NOTEBOOK_ROUTES: Final = ("/notebook", "/dagit/notebook")


class Webserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's webserver behind our gate, without the pages for notebooks."""

    def __init__(self, context: WorkspaceProcessContext, own: OwnHosts, path_prefix: str = "") -> None:
        self._own = own
        super().__init__(context, path_prefix, live_data_poll_rate=_POLL_MS)

    def build_middleware(self) -> list[Middleware]:
        """Return our gate, and then Dagster's middleware."""
        return [Middleware(Gate, own=self._own), *super().build_middleware()]

    def build_routes(self) -> list[BaseRoute]:
        """Return Dagster's routes without those for notebooks."""
        routes: list[BaseRoute] = super().build_routes()  # type: ignore[no-untyped-call]
        for within in (routes, *(route.routes for route in routes if isinstance(route, Mount))):
            within[:] = [route for route in within if not (isinstance(route, Route) and route.path in _NOTEBOOK_ROUTES)]
        return routes


def serve(settings: Settings, workspace: Sequence[Path], *, host: str, port: int, path_prefix: str = "") -> None:
    """Serve Dagster's UI of the workspace on `host` and `port` until SIGINT or SIGTERM.

    Raises:
        SettingsError: there is no dagster.yaml, or PostgreSQL does not answer.
    """
    own = OwnHosts.of(host, port, settings.allowed_hosts)
    if not is_loopback(host):
        _log.warning(
            "Other machines can reach %s, and there is no sign-in: whoever reaches port %s can launch and delete runs.",
            host,
            port,
        )
    # After uvicorn has ended, it raises the signal again. As an exception that signal ends the contexts below too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt), open_storage(settings) as instance:
        instance.optimize_for_webserver(_STATEMENT_MS, _RECYCLE_SECONDS, _OVERFLOW)
        target = WorkspaceFileTarget(paths=[str(path) for path in workspace])
        with WorkspaceProcessContext(instance, target, version=__version__, code_server_log_level="WARNING") as context:
            app = Webserver(context, own, path_prefix).create_asgi_app()
            _log.info("Dagster's UI: http://%s:%s%s", bracketed(host), port, path_prefix)
            uvicorn.run(
                app,
                host=host,
                port=port,
                log_level="warning",
                # Anybody can send a proxy's headers, so the host, scheme and client in them prove nothing.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )

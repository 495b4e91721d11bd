"""The pages over what a test has put into `Reads`, behind the gate."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware

from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.api import build_api, routes_to
from aggregation_pipeline.web.gate.gate import Gate
from aggregation_pipeline.web.gate.hosts import OwnHosts
from aggregation_pipeline.web.pages.routes import Reads, pages_router


def site(reads: Reads, port: int = 3000) -> Starlette:
    """Return an app with these pages only."""
    settings = Settings(storage_dir=Path("/exports"), timezone="Asia/Shanghai", deployment_name="shop")
    own = OwnHosts.of("127.0.0.1", port)
    routes = routes_to(build_api((), own, [pages_router(reads, settings)]))
    return Starlette(routes=routes, middleware=[Middleware(Gate, own=own, open_paths=())])

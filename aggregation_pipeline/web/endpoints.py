"""Our endpoints and pages that need the configuration, Dagster or PostgreSQL: a router for each group of them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from dagster._core.workspace.context import WorkspaceProcessContext
from fastapi import APIRouter

from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.metrics.exposition import Metrics
from aggregation_pipeline.metrics.sources import open_sources
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.aggregate.routes import aggregate_router
from aggregation_pipeline.web.common.current_project import CurrentProject
from aggregation_pipeline.web.files import files_router
from aggregation_pipeline.web.metrics import metrics_router
from aggregation_pipeline.web.pages.routes import open_pages_router
from aggregation_pipeline.web.status.routes import open_status_router


@contextmanager
def open_endpoints(
    settings: Settings, context: WorkspaceProcessContext, probes: Sequence[Probe] = ()
) -> Iterator[Sequence[APIRouter]]:
    """Yield the routers. Nothing is read or connected before the first request. `probes` are those of `/health`."""
    project = CurrentProject(settings)
    with ExitStack() as stack:
        sources = stack.enter_context(
            open_sources(settings, context, lambda: [table.entry for table in project().tables])
        )
        yield (
            aggregate_router(settings, context, project),
            stack.enter_context(open_status_router(settings, context, project)),
            files_router(settings),
            metrics_router(Metrics(sources, probes)),
            stack.enter_context(open_pages_router(settings, context, project, probes)),
        )

"""`/status` and `/status/{batchJobId}`: what goes on, and one batch."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Final, TypeVar

from dagster._core.workspace.context import WorkspaceProcessContext
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from aggregation_pipeline.batch_jobs.browse import RowFilter
from aggregation_pipeline.batch_jobs.repository import OpenRepository, kept_repository
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.overview.batches import BatchDetail, BatchPage, read_batches, whole_batch
from aggregation_pipeline.overview.bounded import Bounded
from aggregation_pipeline.overview.kept import Kept, Known
from aggregation_pipeline.overview.run_detail import RunDetail, run_detail
from aggregation_pipeline.overview.snapshot import Snapshot, SnapshotReader
from aggregation_pipeline.overview.tables import TableState
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.log_once import claim_log_line
from aggregation_pipeline.web.common.answers import PROBLEM
from aggregation_pipeline.web.common.current_project import CurrentProject
from aggregation_pipeline.web.common.file_links import FileLinks
from aggregation_pipeline.web.common.workers import Workers
from aggregation_pipeline.web.status.answers import StatusAnswer
from aggregation_pipeline.web.status.batch_answers import BatchAnswer
from aggregation_pipeline.web.status.batch_query import BatchQuery
from aggregation_pipeline.web.status.views import SnapshotView, batch_list, whole_answer

T = TypeVar("T")
_log = logging.getLogger(__name__)
# For the questions of one request, less than the request itself has.
_READ_SECONDS: Final = 4.0
_STATEMENT_SECONDS: Final = 3.0
_LIMIT_SECONDS: Final = 5.0
_LOG_EVERY: Final = 60.0
_IDS_SHOWN: Final = 5
_ID_START: Final = "^[0-9a-fA-F][0-9a-fA-F-]{3,35}$"


@contextmanager
def open_status_router(
    settings: Settings, context: WorkspaceProcessContext, project: CurrentProject
) -> Iterator[APIRouter]:
    """Yield the endpoints. Nothing is connected before the first request."""
    open_rows, close = kept_repository(
        settings, application_name="aggregation status", statement_timeout=_STATEMENT_SECONDS
    )
    work = Workers("what is asked for", threads=4, seconds=_LIMIT_SECONDS, refuse=lambda _: _unavailable())
    try:
        yield _router(_Reader(settings, context, open_rows, project), settings, work)
    finally:
        close()


class _Reader:
    """What the endpoints read. All but `snapshot` blocks, for a bounded time."""

    def __init__(
        self,
        settings: Settings,
        context: WorkspaceProcessContext,
        open_rows: OpenRepository,
        project: CurrentProject,
    ) -> None:
        self._settings = settings
        self._instance = context.instance
        self._open_rows = open_rows
        self._ask_dagster = Bounded()
        self._kept = Kept("status", SnapshotReader(settings, context.instance, project, open_rows))

    async def snapshot(self) -> Known[Snapshot]:
        """Return what goes on, at most a few seconds old where that can be read.

        Raises:
            HTTPException: 503, it could not be read for a while.
        """
        known = await self._kept.wait()
        if known is None:
            raise _unavailable()
        return known

    def page(self, query: BatchQuery, tables: Sequence[TableState]) -> BatchPage:
        """Return the batches that are asked for."""
        platforms = {table.name: table.platform for table in tables}
        wanted = query.page_filter(self._settings.batch_job_type, self._settings.zone, platforms)
        with self._open_rows(_READ_SECONDS) as rows:
            return read_batches(rows, wanted, query.after, query.limit)

    def batch(self, start: str, tables: Sequence[TableState]) -> tuple[BatchDetail, RunDetail]:
        """Return the batch whose id begins with `start`.

        Raises:
            HTTPException: 404 if there is none, 409 if there are several, 503 if it is of a new run.
        """
        with self._open_rows(_READ_SECONDS) as rows:
            found = rows.list_rows(RowFilter(id=start, limit=_IDS_SHOWN + 1))
        if not found:
            self._refuse_new_run(start)
            raise HTTPException(404, f"batch_jobs has no row whose id begins with {start}.")
        if len(found) > 1:
            ids = ", ".join(str(row["id"]) for row in found[:_IDS_SHOWN])
            more = " ..." if len(found) > _IDS_SHOWN else ""
            raise HTTPException(
                409, f"The ids of several batches begin with {start}: {ids}{more}. Give more characters."
            )
        detail = whole_batch(found[0])
        if detail.batch.run_id is None or detail.batch.deployment != self._settings.deployment_name:
            return detail, RunDetail()
        names = {segment(table.name): table.name for table in tables}
        return detail, self._ask_dagster(run_detail, self._instance, detail.batch.run_id, names)

    def _refuse_new_run(self, run_id: str) -> None:
        """Refuse a run without a row. One that has ended has lost its row; another has it some seconds later."""
        run = self._ask_dagster(self._instance.get_run_by_id, run_id)
        if run is not None and not run.is_finished:
            raise HTTPException(
                503, f"Run {run_id} has no row in batch_jobs yet. Try again in some seconds.", {"Retry-After": "5"}
            )


def _router(reader: _Reader, settings: Settings, work: Workers) -> APIRouter:
    router = APIRouter(tags=["status"])
    view = SnapshotView(settings.deployment_name)
    links = FileLinks(settings)

    @router.get("/status", response_model=StatusAnswer, responses={503: PROBLEM})
    async def status(request: Request, query: Annotated[BatchQuery, Query()]) -> Response:
        """What goes on: batches, schedules, tables; and a page of batches.

        `status`, `lastRun` and `nextRun` are what the Node service answered. 503 if nothing could be read for a while.
        """
        known = await reader.snapshot()
        page, tables = known.value.newest, known.value.tables
        if not query.is_default:
            page = await work.run(partial(_reading, partial(reader.page, query, tables)))
        batches = batch_list(page, request, settings.deployment_name)
        return Response(view.render(known, batches, request), media_type="application/json")

    @router.get("/status/{batchJobId}", responses={404: PROBLEM, 409: PROBLEM, 503: PROBLEM})
    async def batch(
        request: Request,
        batch_job_id: Annotated[
            str,
            Path(
                alias="batchJobId",
                pattern=_ID_START,
                description="The id of a batch, or its first characters, at least four.",
            ),
        ],
    ) -> BatchAnswer:
        """One batch: its tables with files and links, its errors, stages and checks.

        404 if there is none, 409 if the ids of several batches begin like this.
        """
        tables = (await reader.snapshot()).value.tables
        detail, run = await work.run(partial(_reading, partial(reader.batch, batch_job_id.lower(), tables)))
        return await work.run(partial(whole_answer, detail, run, links, request, settings.deployment_name))

    return router


def _reading(read: Callable[[], T]) -> T:
    """Call `read`, and answer 503 where a server does not answer it."""
    try:
        return read()
    except PipelineError as error:
        # Those who ask are not told: it may name hosts.
        if claim_log_line(str(error), every=_LOG_EVERY):
            _log.warning("A request for batches failed: %s", error)
        raise _unavailable() from None


def _unavailable() -> HTTPException:
    return HTTPException(
        503,
        "batch_jobs or Dagster's PostgreSQL does not answer now. Try again in some seconds. GET /health says what does"
        " not work, and the log of the web process says why.",
    )

"""The routes of the pages of batches: `/batches`, and a page for each table and each batch."""

import functools
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Final, Protocol
from uuid import UUID

from dagster._core.workspace.context import WorkspaceProcessContext
from fastapi import APIRouter, Request, Response

from aggregation_pipeline.batch_jobs.pages import Position
from aggregation_pipeline.batch_jobs.repository import kept_repository
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.overview.batches import BatchPage
from aggregation_pipeline.overview.morning import Away, Morning
from aggregation_pipeline.overview.one_batch import OneBatch
from aggregation_pipeline.overview.one_table import OneTable
from aggregation_pipeline.overview.overview import Overview
from aggregation_pipeline.project import Project
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.log_once import claim_log_line
from aggregation_pipeline.web.common.file_links import FileLinks
from aggregation_pipeline.web.common.workers import Workers
from aggregation_pipeline.web.pages.batch_page import show_batch
from aggregation_pipeline.web.pages.day_page import DayQuery, show_day
from aggregation_pipeline.web.pages.morning_page import show_morning
from aggregation_pipeline.web.pages.page import PAGES, formats_for, show
from aggregation_pipeline.web.pages.table_page import show_table

_log = logging.getLogger(__name__)
_STATEMENT_SECONDS: Final = 3.0
_LIMIT_SECONDS: Final = 10.0
_LOG_EVERY: Final = 60.0
_Handler = Callable[..., Awaitable[Response]]


class Reads(Protocol):
    """What the pages ask for: an `Overview`."""

    async def morning(self) -> Morning:
        """What the first screen shows."""

    def table(self, name: str, morning: Morning) -> OneTable | None:
        """One table."""

    def batch(self, batch_id: UUID) -> OneBatch | None:
        """One batch."""

    def day(
        self, day: date, status: str | None, table: str | None, after: Position | None, morning: Morning
    ) -> BatchPage:
        """Batches of one day."""


@contextmanager
def open_pages_router(
    settings: Settings, context: WorkspaceProcessContext, project: Callable[[], Project], probes: Sequence[Probe]
) -> Iterator[APIRouter]:
    """Yield the pages. Nothing is connected before the first request."""
    open_rows, close = kept_repository(
        settings, application_name="aggregation pages", statement_timeout=_STATEMENT_SECONDS
    )
    try:
        yield pages_router(Overview(settings, context.instance, project, open_rows, probes), settings)
    finally:
        close()


class _AwayError(Exception):
    """What a page is about cannot be read now."""


def pages_router(overview: Reads, settings: Settings) -> APIRouter:
    """Return the pages of what `overview` reads."""
    router, pages = APIRouter(include_in_schema=False), _BatchPages(overview, settings)
    for path, handler in (
        ("/batches", pages.first),
        (PAGES.style_path, PAGES.show_style),
        ("/batches/tables/{name:path}", pages.table),
        ("/batches/days/{day}", pages.day),
        ("/batches/{batch_job_id:path}", pages.batch),
    ):
        router.add_api_route(path, handler)
    return router


def _told(handler: _Handler) -> _Handler:
    """Answer with a page that says so where something cannot be read."""

    @functools.wraps(handler)
    async def answer(pages: "_BatchPages", request: Request, **others: str) -> Response:
        try:
            return await handler(pages, request, **others)
        except (PipelineError, _AwayError) as error:
            # Those who ask are not told: it may name hosts.
            if claim_log_line(str(error), every=_LOG_EVERY):
                _log.warning("A page of batches could not be made: %s", error)
            return pages.away(request)

    return answer


class _BatchPages:
    def __init__(self, overview: Reads, settings: Settings) -> None:
        self._overview = overview
        self._zone = settings.zone
        self._deployment = settings.deployment_name
        self._links = FileLinks(settings)
        self._read = Workers("what pages of batches show", threads=4, seconds=_LIMIT_SECONDS, refuse=_AwayError)
        # Apart, so that a page of what is known waits for no server.
        self._show = Workers("the pages of batches", threads=2, seconds=_LIMIT_SECONDS, refuse=_AwayError)

    @_told
    async def first(self, request: Request) -> Response:
        """The morning, of which all is shown that is known; 503 if that is nothing."""
        morning = await self._overview.morning()
        if not {"dagster", "batch_jobs"} & set(morning.ages):
            return self.away(request, morning.away)
        return await self._show.run(show_morning, request, morning)

    @_told
    async def table(self, request: Request, name: str) -> Response:
        """One table."""
        morning = await self._overview.morning()
        if "dagster" not in morning.ages:
            return self.away(request, morning.away)
        found = await self._read.run(self._overview.table, name, morning)
        if found is None:
            return self._missing(request, "missing_table")
        return await self._show.run(show_table, request, found, morning, self._links)

    @_told
    async def day(self, request: Request, day: str) -> Response:
        """The batches of one day."""
        query = DayQuery.of(day, request.query_params)
        if query is None:
            return self._missing(request, "missing_page")
        morning = await self._overview.morning()
        found = await self._read.run(self._overview.day, query.day, query.status, query.table, query.after, morning)
        return await self._show.run(show_day, request, query, found, self._zone)

    @_told
    async def batch(self, request: Request, batch_job_id: str) -> Response:
        """One batch; 404 for whatever else is below /batches."""
        try:
            batch_id = UUID(batch_job_id)
        except ValueError:
            return self._missing(request, "missing_page")
        found = await self._read.run(self._overview.batch, batch_id)
        if found is None:
            return self._missing(request, "missing_batch")
        known = {each.name for each in (await self._overview.morning()).tables}
        return await self._show.run(
            show_batch,
            request,
            found,
            zone=self._zone,
            known=known,
            deployment=self._deployment,
            links=self._links,
        )

    def away(self, request: Request, parts: Sequence[Away] = ()) -> Response:
        """The answer where nothing can be read."""
        return self._message(request, 503, "away_title", "away_hint", parts, {"Retry-After": "5"})

    def _missing(self, request: Request, text: str) -> Response:
        return self._message(request, 404, "missing_title", text)

    def _message(
        self,
        request: Request,
        status: int,
        title: str,
        text: str,
        away: Sequence[Away] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        f = formats_for(request, self._zone)
        values = {"title_key": title, "text_key": text, "away": away}
        return show(request, "message.html", f, status=status, headers=headers, **values)

"""The pages of batches, as answers."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from aggregation_pipeline.overview.ticks import by_tick
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.web.common.language import language_of
from aggregation_pipeline.web.common.links import link, run_link
from aggregation_pipeline.web.common.page import Pages
from aggregation_pipeline.web.common.principal import LOCAL, principal_of, shown_name
from aggregation_pipeline.web.pages.formats import Formats
from aggregation_pipeline.web.pages.hours import KINDS as PARTS
from aggregation_pipeline.web.pages.texts import TEXTS
from aggregation_pipeline.web.pages.words import KINDS, WORDS

PAGES: Final = Pages(__package__, {**TEXTS, **WORDS}, "/batches/style.css")
# Of an id, so much is shown: as git does, and as `/status` finds it.
_SHORT_ID: Final = 8


class To:
    """Links to other pages, below the prefix of this server."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def table(self, name: str) -> str:
        """The page of a table."""
        return link(self._request, "batches", "tables", name)

    def batch(self, batch_id: str) -> str:
        """The page of a batch."""
        return link(self._request, "batches", batch_id)

    def day(self, day: date, table: str | None = None) -> str:
        """The batches of a day, of one table if that is given."""
        query = f"?{urlencode({'table': table})}" if table is not None else ""
        return f"{link(self._request, 'batches', 'days', day.isoformat())}{query}"

    def run(self, run_id: str) -> str:
        """A run in Dagster's UI."""
        return run_link(self._request, run_id)

    def asset(self, name: str) -> str:
        """A table in Dagster's UI."""
        return link(self._request, "assets", "aggregation", segment(name))

    def here(self, **changes: object) -> str:
        """This page with another query; None leaves a part of it out."""
        query = {**self._request.query_params, **changes, "lang": None}
        return f"?{urlencode({name: value for name, value in query.items() if value is not None})}"


def formats_for(request: Request, zone: ZoneInfo, now: datetime | None = None) -> Formats:
    """Return how values are written for this reader. `now`: of what is shown, where that was read before."""
    return Formats(language_of(request), zone, now or datetime.now(UTC))


def show(
    request: Request,
    template: str,
    f: Formats,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> Response:
    """Return a page, whose values are written by `f`."""
    principal = principal_of(request)
    return PAGES.show(
        request,
        template,
        status=status,
        headers=headers,
        f=f,
        to=To(request),
        # Nobody has to sign in as LOCAL.
        who=None if principal == LOCAL else shown_name(principal),
        kinds=KINDS,
        parts=PARTS,
        short_id=_SHORT_ID,
        by_tick=by_tick,
        **values,
    )

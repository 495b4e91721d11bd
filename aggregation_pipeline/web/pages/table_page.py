"""`/batches/tables/{name}`: one table."""

from starlette.requests import Request
from starlette.responses import Response

from aggregation_pipeline.overview.morning import Morning
from aggregation_pipeline.overview.one_table import OneTable
from aggregation_pipeline.web.common.file_links import FileLinks
from aggregation_pipeline.web.pages.charts import history
from aggregation_pipeline.web.pages.files import shown_files
from aggregation_pipeline.web.pages.page import formats_for, show


def show_table(request: Request, table: OneTable, morning: Morning, links: FileLinks) -> Response:
    """Return the page. Signing links may take a while."""
    return show(
        request,
        "table.html",
        formats_for(request, morning.zone, morning.at),
        away=morning.away,
        line=table.line,
        mistake=next(
            (each.text for each in morning.concerns if (each.code, each.table) == ("table_broken", table.line.name)),
            None,
        ),
        description=table.description,
        schedule=table.schedule,
        refresh=table.refresh,
        files=None if table.files is None else shown_files(request, table.files, links),
        files_window=table.files_window,
        checks=table.checks,
        batches=table.batches,
        more_batches=table.more_batches,
        history=history(table.days, table.usual_rows, table.usual_seconds),
    )

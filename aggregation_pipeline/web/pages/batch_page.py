"""`/batches/{batchJobId}`: one batch."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from aggregation_pipeline.overview.one_batch import Change, Difference, OneBatch, TableChange, TableInBatch
from aggregation_pipeline.runs.model import STAGES
from aggregation_pipeline.web.common.file_links import FileLinks
from aggregation_pipeline.web.pages.files import shown_files
from aggregation_pipeline.web.pages.formats import Formats
from aggregation_pipeline.web.pages.page import formats_for, show

# What the stages leave of a table's time is shown as one more.
_PARTS: Final = (*STAGES, "rest")
# No two batches take equally long: for a table, only a change of this size is shown.
_MUCH_SLOWER: Final = 1.5
# A figure that changed: the key of its word, its values, and how they are written.
_Row = tuple[str, Any, Callable[[float | None], str]]


@dataclass(frozen=True)
class StageBar:
    """A part of a table's bar, in percent of the width."""

    stage: str
    seconds: float
    x: float
    width: float


def show_batch(
    request: Request,
    one: OneBatch,
    *,
    zone: ZoneInfo,
    known: Collection[str],
    deployment: str,
    links: FileLinks,
) -> Response:
    """Return the page. Signing links may take a while.

    Args:
        known: the tables that have pages.
        deployment: whose runs Dagster's UI here shows.
    """
    f, detail = formats_for(request, zone), one.detail
    batch = detail.batch if detail else None
    run_id = str(one.id) if batch is None else batch.run_id if batch.deployment == deployment else None
    notices = ["no_row"] * (detail is None) + ["no_events"] * (one.run is None and run_id is not None)
    return show(
        request,
        "batch.html",
        f,
        id=str(one.id),
        batch=batch,
        detail=detail,
        notices=notices,
        mirror_error=detail and detail.mirror_error,
        run_id=run_id,
        errors=detail.errors if detail else (),
        stages=_PARTS,
        known=known,
        tables=[{**vars(table), "bars": bars} for table, bars in _with_bars(one.tables)],
        difference=one.difference,
        whole_changes=_whole(one.difference, f) if one.difference else (),
        table_changes=list(_by_table(one.difference.tables, f)) if one.difference else (),
        checks=None if one.run is None else one.run.checks,
        files=shown_files(request, (file for each in detail.platforms for file in each.files), links) if detail else (),
        files_left_out=sum(each.files_left_out for each in detail.platforms) if detail else 0,
    )


def _with_bars(tables: Sequence[TableInBatch]) -> Iterator[tuple[TableInBatch, Sequence[StageBar]]]:
    """Yield each table with its bar; the longest is as wide as there is room."""
    longest = max((_length(table) for table in tables), default=0.0)
    for table in tables:
        found = {stage: table.stages[stage] for stage in STAGES if table.stages.get(stage)}
        if rest := max(0.0, (table.seconds or 0.0) - sum(table.stages.values())):
            found["rest"] = rest
        bars, x = [], 0.0
        for stage, seconds in found.items():
            width = seconds / longest * 100
            bars.append(StageBar(stage, seconds, round(x, 2), round(width, 2)))
            x += width
        yield table, bars


def _length(table: TableInBatch) -> float:
    return max(table.seconds or 0.0, sum(table.stages.values()))


def _whole(difference: Difference, f: Formats) -> Sequence[_Row]:
    return [
        ("rows", difference.rows, f.number),
        ("bytes", difference.bytes, f.bytes),
        ("seconds", difference.seconds, f.seconds),
    ]


def _by_table(tables: Sequence[TableChange], f: Formats) -> Iterator[dict[str, object]]:
    for table in tables:
        changes: list[_Row] = [("status", table.status, f.number)] if table.status[0] != table.status[1] else []
        for what, change, write in (("rows", table.rows, f.number), ("bytes", table.bytes, f.bytes)):
            if change.now != change.before:
                changes.append((what, change, write))
        if _is_much(table.seconds):
            changes.append(("seconds", table.seconds, f.seconds))
        if changes:
            yield {"table": table.table, "changes": changes}


def _is_much(change: Change) -> bool:
    ratio = change.ratio
    return ratio is not None and not 1 / _MUCH_SLOWER < ratio < _MUCH_SLOWER

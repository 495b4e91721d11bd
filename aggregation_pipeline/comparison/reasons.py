"""Why the two sides may differ, told from what was found and from what the entry says."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from aggregation_pipeline.comparison.results import ColumnResult, Reason, TableResult
from aggregation_pipeline.config.table_entry import TableEntry

# What the Node service asks for where nothing says otherwise.
SILENT_LIMIT: Final = 1000
_MOST_NAMES: Final = 50
_ROUNDED: Final = 1e-6
_QUARTER: Final = 15 * 60
_MOST_HOURS: Final = 15
_DEPENDS_ON_NOW: Final = re.compile(
    r"\b(?:NOW|CURDATE|CURTIME|CURRENT_DATE|CURRENT_TIME|CURRENT_TIMESTAMP|LOCALTIME|LOCALTIMESTAMP|SYSDATE|UTC_DATE"
    r"|UTC_TIME|UTC_TIMESTAMP|UNIX_TIMESTAMP)\b",
    re.IGNORECASE,
)


def reasons_of(entry: TableEntry, result: TableResult) -> Iterator[Reason]:
    """Yield what may explain the differences of a table, the likeliest first. Without a difference there is none."""
    if result.arbitrary:
        yield Reason("arbitrary", values={"columns": _listed(result.arbitrary)})
    if result.columns_only_old:
        yield Reason("only_old", values={"columns": _listed(result.columns_only_old)})
    if result.columns_only_ours:
        yield Reason("only_ours", values={"columns": _listed(result.columns_only_ours)})
    if result.status == "differs":
        yield from _of_differences(entry, result)


def _listed(names: Sequence[str]) -> str:
    more = f", ... ({len(names):,})" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _of_differences(entry: TableEntry, result: TableResult) -> Iterator[Reason]:
    cut = result.old_rows == SILENT_LIMIT and result.our_rows > SILENT_LIMIT and result.only_ours > 0
    if cut:
        yield Reason("silent_limit", values={"limit": SILENT_LIMIT, "rows": f"{result.only_ours:,}"})
    if result.truncated and result.our_rows == result.old_rows and result.only_ours:
        yield Reason("both_cut", values={"limit": f"{result.our_rows:,}"})
    for name, found in result.columns.items():
        if found.differing:
            yield from _of_column(name, found)
    if _depends_on_now(entry):
        yield Reason("now", values={"where": entry.where or ""})
    if result.only_ours and not cut:
        yield Reason("only_in_ours", values={"rows": f"{result.only_ours:,}"})
    if result.only_old:
        yield Reason("only_in_old", values={"rows": f"{result.only_old:,}"})


def _of_column(name: str, found: ColumnResult) -> Iterator[Reason]:
    if found.late:
        (seconds, count), *_ = found.late.most_common(1)
        hours = abs(seconds) / 3600
        if count * 2 >= found.differing and seconds % _QUARTER == 0 and hours <= _MOST_HOURS:
            word = "time_zone_later" if seconds > 0 else "time_zone_earlier"
            yield Reason(word, name, {"hours": f"{hours:g}", "count": f"{count:,}"})
            return
    if found.relative and not found.unlike and found.relative <= _ROUNDED:
        yield Reason("rounding", name, {"relative": f"{found.relative:.1g}"})
    elif found.rises == found.differing:
        yield Reason("grown", name, {"count": f"{found.rises:,}"})


def _depends_on_now(entry: TableEntry) -> bool:
    figures = [figure.expr or figure.field or "" for figure in entry.aggregations]
    texts = [entry.where or "", *(key.expr for key in entry.group_by), *figures]
    return any(_DEPENDS_ON_NOW.search(text) for text in texts)

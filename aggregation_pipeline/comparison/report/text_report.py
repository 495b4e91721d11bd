"""A comparison as lines for a terminal."""

from collections.abc import Iterator, Mapping

from aggregation_pipeline.comparison.report.texts import DATABASE, NOTES, reason_words, words
from aggregation_pipeline.comparison.results import Comparison, Example, TableResult


def text_report(comparison: Comparison) -> Iterator[str]:
    """Yield the lines."""
    for table in comparison.tables:
        yield from _table(table)
        yield ""
    counts = {
        status: sum(1 for table in comparison.tables if table.status == status)
        for status in ("equal", "differs", "not_compared")
    }
    yield f"{counts['equal']} equal, {counts['differs']} different, {counts['not_compared']} not compared"


def _table(table: TableResult) -> Iterator[str]:
    yield f"{table.table} {table.window}: {table.status.replace('_', ' ')}"
    if table.old_file:
        moment = f", written at {table.old_moment}" if table.old_moment else ""
        yield f"  old file   {table.old_file}{moment}"
    if table.problem:
        yield f"  problem    {table.problem}"
        return
    yield from _found(table)
    for example in table.examples:
        yield f"  difference {_example(example)}"
    left = differences(table) - len(table.examples)
    if left > 0:
        yield f"  difference and {left:,} more: --show tells how many are listed"
    if table.unasked:
        yield f"  database   not asked: {table.unasked}"


def _found(table: TableResult) -> Iterator[str]:
    keys = ", ".join(table.keys) or "all columns: the old file has no column of the key"
    yield f"  compared   {table.dataset}, {'which is one row' if table.one_row else f'by {keys}'}"
    yield (
        f"  rows       ours {table.our_rows:,}, old {table.old_rows:,}: {table.equal_rows:,} equal,"
        f" {table.differing_rows:,} different, {table.only_ours:,} only in ours, {table.only_old:,} only in the old"
    )
    for side, count in table.duplicates.items():
        yield f"  duplicates {count:,} further rows of {'ours' if side == 'ours' else 'the old file'} have a key again"
    for name, found in table.columns.items():
        if found.differing:
            yield f"  column     {name}: {found.differing:,} values differ"
    for (name, note), count in table.notes.items():
        yield f"  note       {name}: {count:,} values are equal, but {words(NOTES, note)}"
    for reason in table.reasons:
        yield f"  why        {reason_words(reason)}"


def differences(table: TableResult) -> int:
    """Return how many differences a table has: values, and rows that one side does not have."""
    return sum(found.differing for found in table.columns.values()) + table.only_ours + table.only_old


def _example(example: Example) -> str:
    agrees = f" ({words(DATABASE, example.database)})" if example.database else ""
    key = _key(example.key)
    if example.column is None:
        return f"{key}: only in {'ours' if example.side == 'ours' else 'the old file'}{agrees}"
    return f"{key}: {example.column} is {_value(example.ours)} in ours, {_value(example.old)} in the old file{agrees}"


def _key(key: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} = {_value(value)}" for name, value in key.items()) or "the only row"


def _value(value: str | None) -> str:
    return "NULL" if value is None else f'"{value}"'

"""What is wrong with how a server would read a table, and the remedy: the words of `on_scan` and `refresh`."""

from collections.abc import Sequence
from typing import Final

from aggregation_pipeline.config.table_entry import TableEntry

BIG_TABLE: Final = 100_000


def rows_problem(entry: TableEntry, dataset: str, rows: int, *, searched: bool) -> str | None:
    """Return why a dataset's rows ask much of the server, and the remedy; None if they do not.

    Args:
        entry: whose rows are read.
        dataset: which of them.
        rows: about as many as the server would look at.
        searched: whether an index leads to them.
    """
    conditions = [f"its `where` ({entry.where})"] if entry.where is not None else []
    conditions += [f"a partition by {entry.partition.column}"] if entry.partition is not None else []
    if conditions and not searched and rows >= BIG_TABLE:
        return (
            f"{dataset}: no index leads to the rows of {' and '.join(conditions)}, so about {rows:,} rows are read"
            f" one by one. Compare a bare column with a constant in it, and give {entry.table} an index on that column."
        )
    most = entry.source_limits.max_scan_rows
    if rows > most:
        return (
            f"{dataset}: the server would read about {rows:,} rows of {entry.table}, over"
            f" max_scan_rows = {most:,}. Narrow its `where` to what an index finds, or raise"
            " source_limits.max_scan_rows."
        )
    return None


def keys_problem(entry: TableEntry, rows: int, without_index: Sequence[str]) -> str | None:
    """Return why the keys of `refresh` may not be asked for, and the remedy; None if they may.

    Unlike the rows themselves, keys are asked for again and again, whether anything has changed or not. So a small
    table without an index is refused too: it would be scanned each time, and grow.

    Args:
        entry: which asks for them, or not.
        rows: about as many as the server would look at for one window.
        without_index: the tables that would be read whole.
    """
    refresh, partition, most = entry.refresh, entry.partition, entry.source_limits.max_scan_rows
    if refresh is None or partition is None or refresh.allow_scan:
        return None
    if without_index:
        table, *more = without_index
        read = f"{table} and {len(more):,} more of its shards" if more else table
        return (
            f"no index leads to the rows of a partition by {partition.column}, so the server would read all of"
            f" {read} for each window, every {refresh.every}. Give it an index that begins with"
            f" {partition.column}, best with the columns of the key behind it, or write refresh.allow_scan: true."
        )
    if rows > most:
        return (
            f"the server would read about {rows:,} rows of {entry.table} for one window, over max_scan_rows ="
            f" {most:,}. Raise source_limits.max_scan_rows, or write refresh.allow_scan: true."
        )
    return None

"""Compares one table: finds the old file, reads both sides, brings their rows together, and says why they differ."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.comparison.comparing_rows import Differing, RowComparison
from aggregation_pipeline.comparison.matching import Matching, comparable, match_columns
from aggregation_pipeline.comparison.old.cells import Row
from aggregation_pipeline.comparison.old.csv_file import read_csv_table
from aggregation_pipeline.comparison.old.excel_file import excel_tables, read_excel_table
from aggregation_pipeline.comparison.old.json_file import json_tables, read_json_table
from aggregation_pipeline.comparison.old.table import OldTable
from aggregation_pipeline.comparison.ours import Ours
from aggregation_pipeline.comparison.reasons import reasons_of
from aggregation_pipeline.comparison.results import TableResult, shown
from aggregation_pipeline.comparison.row_store import OLD, OURS, RowStore, row_store
from aggregation_pipeline.comparison.values.judging import Judge
from aggregation_pipeline.comparison.values.keys import Keys
from aggregation_pipeline.comparison.values.texts_of_cells import OldMasks, Texts, old_text, our_texts
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ComparisonError
from aggregation_pipeline.node_files.names import NodeFormat

_BATCH: Final = 4096
# Takes what is done, how many of it, and how many there are in all (None: not known).
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Options:
    """How to compare.

    Attributes:
        zone: of the Node process.
        within: how far from the tick an old file may be.
        tolerance: by which part two DOUBLEs may differ.
        only, ignored: the columns to compare, and those not to.
        key: the columns of the key, where somebody names them.
        examples: how many differences of a table are kept.
        salt: the key of masks that hash.
        old_format: only files of this format; None for all.
    """

    zone: ZoneInfo
    within: timedelta = timedelta(hours=12)
    tolerance: float = 1e-12
    only: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    examples: int = 20
    salt: bytes = b""
    old_format: NodeFormat | None = None


@dataclass(frozen=True)
class Compared:
    """How a table was compared, for whoever asks the database about what differs."""

    matching: Matching
    judge: Judge
    keys: Keys
    differing: Sequence[Differing]


def compare_table(
    entry: TableEntry,
    ours: Ours,
    path: Path,
    old_format: NodeFormat,
    result: TableResult,
    options: Options,
    directory: Path,
    progress: Progress,
) -> Compared:
    """Compare the rows of one table into `result`.

    Raises:
        ComparisonError: the old file has no such table, or is not as the service writes it.
    """
    name = result.old_file or str(path)
    old = _open_old(path, name, old_format, entry.name)
    first = list(islice(rows := iter(old.rows), 1))
    _refuse_unusable(old, path, name, old_format, entry.name)
    if not old.columns:
        _refuse_cut(old, result, name)
        return _compare_nothing(entry, ours, result, options, old_format)
    matching = match_columns(
        entry,
        ours.columns,
        [column for column in old.columns if comparable(column) not in set(map(comparable, ours.dropped))],
        order=ours.dataset.order,
        only=options.only,
        ignored=options.ignored,
        key=options.key,
    )
    judge = Judge(old_format, options.zone, options.tolerance)
    _say_columns(result, matching)
    keys = _keys(matching, old_format, options.zone)
    with row_store(directory) as store:
        sides = _Sides(matching, keys, store, progress)
        result.old_rows = sides.add_old(first, rows, old_format, OldMasks(options.salt))
        _refuse_cut(old, result, name)
        _refuse_unusable(old, path, name, old_format, entry.name)
        result.our_rows, result.truncated = sides.add_ours(ours), ours.dataset.truncated
        comparison = RowComparison(matching, judge, result, options.examples)
        total = result.our_rows + result.old_rows
        comparison.compare(store, lambda done: progress("compared", done, total))
    differs = result.differing_rows or result.only_ours or result.only_old or result.columns_only_old
    result.status = "differs" if differs else "equal"
    result.reasons = list(reasons_of(entry, result))
    return Compared(matching, judge, keys, comparison.differing)


def _open_old(path: Path, name: str, old_format: NodeFormat, table: str) -> OldTable:
    if old_format == "csv":
        return read_csv_table(path, name)
    return (read_json_table if old_format == "json" else read_excel_table)(path, name, table)


def _refuse_unusable(old: OldTable, path: Path, name: str, old_format: NodeFormat, table: str) -> None:
    if not old.found:
        tables = (json_tables if old_format == "json" else excel_tables)(path, name)
        listed = ", ".join(shown(each) for each in tables[:30])
        raise ComparisonError(f"{name} has no table {table!r}; it has {listed or 'none'}.")
    if old.failed:
        raise ComparisonError(
            f"{name}: the Node service could not read table {table!r} then (success: false). Its log says why. Compare"
            " another window."
        )


def _refuse_cut(old: OldTable, result: TableResult, name: str) -> None:
    if old.recorded is not None and old.recorded != result.old_rows:
        raise ComparisonError(
            f"{name}: it says that table {result.table!r} has {old.recorded:,} rows (recordCount), and"
            f" {result.old_rows:,} are there. It was changed after it was written."
        )


def _compare_nothing(
    entry: TableEntry, ours: Ours, result: TableResult, options: Options, old_format: NodeFormat
) -> Compared:
    """An old table without a row names no columns either."""
    result.our_rows = result.only_ours = ours.dataset.rows
    result.status = "differs" if result.our_rows else "equal"
    result.reasons = list(reasons_of(entry, result))
    nothing = Matching((), (), (), (), (), (), (), ())
    judge = Judge(old_format, options.zone, options.tolerance)
    return Compared(nothing, judge, _keys(nothing, old_format, options.zone), ())


def _say_columns(result: TableResult, matching: Matching) -> None:
    result.keys = [matching.columns[place].name for place in matching.keys]
    result.columns_only_ours = matching.only_ours
    result.columns_only_old = [shown(name) for name in matching.only_old]
    result.arbitrary = [shown(name) for name in matching.arbitrary]
    result.one_row = matching.one_row


def _keys(matching: Matching, old_format: NodeFormat, zone: ZoneInfo) -> Keys:
    # Without any column of the key, all columns are it: then rows are there or not, and never differ.
    places = matching.keys or (() if matching.one_row else tuple(range(len(matching.columns))))
    return Keys([(place, matching.columns[place]) for place in places], old_format, zone)


@dataclass(frozen=True)
class _Sides:
    """Puts both sides into the store."""

    matching: Matching
    keys: Keys
    store: RowStore
    progress: Progress

    def add_ours(self, ours: Ours) -> int:
        names, done = [column.name for column in self.matching.columns], 0
        for batch in ours.dataset.batches(columns=names):
            columns = [
                our_texts(column, batch.column(batch.schema.get_field_index(column.name)))
                for column in self.matching.columns
            ]
            self._add(OURS, columns)
            done += batch.num_rows
            self.progress("read of ours", done, ours.dataset.rows)
        return done

    def add_old(self, first: Sequence[Row], rest: Iterator[Row], old_format: NodeFormat, masks: OldMasks) -> int:
        done, batch = 0, list(first)
        while batch:
            batch += islice(rest, _BATCH - len(batch))
            columns = []
            for column, name in zip(self.matching.columns, self.matching.old_names, strict=True):
                texts: Texts = [old_text(column, row.get(name), old_format) for row in batch]
                columns.append(masks.masked(column, texts) if column.mask else texts)
            self._add(OLD, columns)
            done += len(batch)
            self.progress("read of the old file", done, None)
            batch = list(islice(rest, 1))
        return done

    def _add(self, side: int, columns: Sequence[Texts]) -> None:
        rows = zip(*columns, strict=True)
        self.store.add(side, ((self.keys.key(row), row) for row in rows))

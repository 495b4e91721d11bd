"""Asks the source database about a few keys that differ: which side it agrees with today.

The project's own reader asks, so that the session is read-only, statements are limited in time, and masks hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.comparison.comparing_rows import Differing
from aggregation_pipeline.comparison.results import Agreement, Example
from aggregation_pipeline.comparison.row_store import TextRow
from aggregation_pipeline.comparison.tables import Compared
from aggregation_pipeline.comparison.values.kinds import Column
from aggregation_pipeline.comparison.values.moments import read_old
from aggregation_pipeline.comparison.values.texts_of_cells import our_texts
from aggregation_pipeline.config.columns import ALL_COLUMNS
from aggregation_pipeline.config.entry_query import Output
from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.expressions import to_sql
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.source.kind import kind_of
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest

# Of one statement. A key of a summary may need a scan of the whole table.
_SECONDS: Final = 60
# What can be written into SQL exactly.
_LITERAL_KINDS: Final = frozenset({"integer", "decimal", "date", "datetime", "text"})


def ask_database(
    request: ReadRequest, source: SourceOptions, compared: Compared, zone: ZoneInfo, most: int, directory: Path
) -> str:
    """Set `database` in the examples of up to `most` keys; return why nothing was asked, or an empty text."""
    if most < 1 or not compared.differing:
        return ""
    matching = compared.matching
    keys = [matching.columns[place] for place in matching.keys]
    if not matching.one_row and (why := _why_not(keys, matching.missing_keys)):
        return why
    asked = [each for each in compared.differing if _condition(request.entry, compared, each, zone)][:most]
    if not asked:
        return "the keys cannot be written into SQL exactly"
    conditions = [_condition(request.entry, compared, each, zone) for each in asked]
    entry = _narrowed(request.entry, " OR ".join(conditions))
    try:
        rows = _rows(replace(request, entry=entry), source, compared, directory)
    except PipelineError as error:
        return f"the database could not be asked: {error}"
    for each in asked:
        row = each.ours or each.old or []
        found = rows.get(compared.keys.key(row), [])
        if len(found) <= 1:
            _judge(compared, each, found[0] if found else None)
    return ""


def _why_not(keys: Sequence[Column], missing: Sequence[str]) -> str:
    if not keys or missing:
        return "the old file does not have all columns of the key, so no row can be asked for"
    if any(key.mask for key in keys):
        return "a column of the key is masked"
    if odd := [key.name for key in keys if key.kind not in _LITERAL_KINDS]:
        return f"values of {', '.join(odd)} cannot be written into SQL exactly"
    return ""


def _narrowed(entry: TableEntry, condition: str) -> TableEntry:
    """The entry with these keys only, in the one dataset that is compared."""
    summary = entry.datasets[0] == "summary"
    outputs: Sequence[Output] = (*entry.group_by, *entry.aggregations) if summary else entry.select_fields
    names = {output.name.casefold() for output in outputs}
    star = any(field.expr == ALL_COLUMNS for field in entry.select_fields) and not summary
    limits = entry.source_limits
    seconds = min(limits.timeout_seconds, _SECONDS)
    return entry.model_copy(
        update={
            "where": f"({entry.where}) AND ({condition})" if entry.where else condition,
            "limit": None,
            "mask": {name: rule for name, rule in entry.mask.items() if star or name.casefold() in names},
            "source_limits": limits.model_copy(update={"timeout_seconds": seconds}),
            **({"select_fields": (), "order_by": None} if summary else {"group_by": (), "aggregations": ()}),
        }
    )


@dataclass(frozen=True)
class _Literal:
    column: Column
    zone: ZoneInfo
    dialect: Dialect

    def sql(self, text: str) -> str | None:
        """Write a value into SQL; None if it cannot be written exactly."""
        if self.column.kind == "text":
            return self.dialect.literal("text", text)
        if self.column.kind in {"integer", "decimal"}:
            try:
                number = Decimal(text)
            except InvalidOperation:
                return None
            exact = number.is_finite() and abs(number.adjusted()) < 100
            return self.dialect.literal("number", f"{number:f}") if exact else None
        moment = read_old(text)
        if moment is None:
            return None
        wall = moment.wall or datetime.fromtimestamp((moment.instant or 0) / 1000, self.zone).replace(tzinfo=None)
        if self.column.kind == "date":
            return self.dialect.literal("date", str(wall.date()))
        return self.dialect.literal("datetime", wall.isoformat(" "))


def _condition(entry: TableEntry, compared: Compared, differing: Differing, zone: ZoneInfo) -> str:
    """The condition that a row has this key; empty if it cannot be written."""
    if compared.matching.one_row:
        return entry.dialect.truth
    row = differing.ours or differing.old or []
    parts = []
    for place in compared.matching.keys:
        column, text = compared.matching.columns[place], row[place]
        sql = _expression(entry, column.name)
        literal = None if text is None else _Literal(column, zone, entry.dialect).sql(text)
        if sql is None or (text is not None and literal is None):
            return ""
        parts.append(f"{sql} IS NULL" if literal is None else f"{sql} = {literal}")
    return f"({' AND '.join(parts)})" if parts else ""


def _expression(entry: TableEntry, name: str) -> str | None:
    items = entry.group_by if entry.datasets[0] == "summary" else entry.select_fields
    found = next((item.expr for item in items if item.name == name and item.expr != ALL_COLUMNS), None)
    if found is not None:
        return to_sql(found, entry.dialect)
    return entry.dialect.quote(name) if any(item.expr == ALL_COLUMNS for item in items) else None


def _rows(
    request: ReadRequest, source: SourceOptions, compared: Compared, directory: Path
) -> Mapping[str, list[TextRow]]:
    """The database's rows by key."""
    (dataset,) = kind_of(source).read_extract(request, source, directory).datasets
    rows: dict[str, list[TextRow]] = {}
    for batch in dataset.batches():
        texts = [
            our_texts(column, batch.column(batch.schema.get_field_index(column.name)))
            for column in compared.matching.columns
        ]
        for row in zip(*texts, strict=True):
            rows.setdefault(compared.keys.key(row), []).append(list(row))
    return rows


def _judge(compared: Compared, differing: Differing, row: TextRow | None) -> None:
    for example in differing.examples:
        example.database = _agreement(compared, example, differing, row)


def _agreement(compared: Compared, example: Example, differing: Differing, row: TextRow | None) -> Agreement:
    if example.column is None:
        there: Agreement = "ours" if example.side == "ours" else "old"
        away: Agreement = "old" if example.side == "ours" else "ours"
        return there if row is not None else away
    if row is None or differing.ours is None or differing.old is None:
        return "neither"
    place = next(n for n, column in enumerate(compared.matching.columns) if column.name == example.column)
    column = compared.matching.columns[place]
    with_ours = row[place] == differing.ours[place]
    with_old = compared.judge.verdict(column, row[place], differing.old[place]).equal
    if with_ours and with_old:
        return "both"
    return "ours" if with_ours else "old" if with_old else "neither"

"""What a query will give, asked of the server before any row is read: its columns, FLOATs made exact, masks in their
places.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import SecretStr

from aggregation_pipeline.config.mask_options import MaskRule
from aggregation_pipeline.config.mask_rules import masks_of_star_columns
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.references import returns_cell_values
from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.arrow_types import ColumnType, column_type
from aggregation_pipeline.source.mysql.error_hints import add_hints
from aggregation_pipeline.source.mysql.inexact_outputs import exact_forms
from aggregation_pipeline.source.mysql.masking import masked
from aggregation_pipeline.source.mysql.probe import probe
from aggregation_pipeline.source.mysql.query import DatasetQuery, build_queries
from aggregation_pipeline.source.mysql.row_protocol import Field
from aggregation_pipeline.source.mysql.session import Session, SourceColumn
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates


@dataclass(frozen=True)
class DescribedQuery:
    """A query whose columns are known.

    Attributes:
        query: with outputs that would not arrive exactly asked for in a form that does.
        exact: positions of those outputs.
        fields: the outputs under their true names, with the types that they have in the database.
        masks: by output, in their order, how each masked one is hidden.
        plain: positions of outputs whose cells are those of a column.
    """

    query: DatasetQuery
    fields: tuple[Field, ...]
    masks: Mapping[str, MaskRule]
    exact: frozenset[int] = frozenset()
    plain: frozenset[int] = frozenset()

    def column_types(
        self, sent: Sequence[Field], clock: Clock, zero_dates: ZeroDates, salt: SecretStr
    ) -> list[ColumnType | None]:
        """Return how each column that the server sends becomes an Arrow column; None for one that is dropped.

        Args:
            sent: the columns of the running statement.
            clock: the session's.
            zero_dates: collects what cannot be dates.
            salt: the key of hashes.

        Raises:
            SourceError: the columns are not those that were asked about, or one has no exact representation.
        """
        if len(sent) != len(self.fields) or (
            not self.query.columns and [f.name for f in sent] != [f.name for f in self.fields]
        ):
            raise SourceError(
                f"{self.query.dataset}: the table's columns changed while it was read. Nothing was published; run it"
                " again."
            )
        result: list[ColumnType | None] = []
        for place, (field, true) in enumerate(zip(sent, self.fields, strict=True)):
            rule = self.masks.get(true.name)
            if rule == "drop":
                result.append(None)
                continue
            described = true if place in self.exact else replace(field, name=true.name)
            column = column_type(described, clock, zero_dates)
            result.append(column if rule is None else masked(column, true, rule, salt, as_it_is=place in self.plain))
        return result


def describe_queries(
    session: Session, entry: TableEntry, columns: Mapping[str, SourceColumn], condition: str | None = None
) -> tuple[DescribedQuery, ...]:
    """Return the queries of an entry, the summary first, each checked by the server down to its last column.

    Args:
        session: in the clock that suits the entry.
        entry: as the config gives it.
        columns: of the entry's table.
        condition: of its partition; None for the whole table.

    Raises:
        SourceError: the server refuses a statement; a mask names a column that is not there; every column would be
            dropped.
    """
    queries = build_queries(entry, primary_key=session.primary_key(*entry.source), condition=condition)
    instants = frozenset(column.name.lower() for column in columns.values() if column.type == "timestamp")
    with add_hints(session, entry):
        described = zip(queries, probe(session, queries), strict=True)
    shaped = tuple(_shape(session, entry, query, fields, instants) for query, fields in described)
    there = {field.name.casefold() for each in shaped for field in each.fields}
    # An output of the summary may have the name of a column that was in '*' and is gone.
    detail = {field.name.casefold() for field in shaped[-1].fields}
    starred = set(masks_of_star_columns(entry.query))
    if missing := [name for name in entry.mask if name.casefold() not in (detail if name in starred else there)]:
        hints = "".join(did_you_mean(name, there - {name.casefold()}) for name in missing)
        raise SourceError(
            f"mask: {', '.join(missing)}: no such column.{hints} Was it renamed or dropped in {entry.table}? Until the"
            " mask is mended nothing is read, because the data might stand unmasked in another column. Columns are"
            f" {', '.join(f.name for f in shaped[-1].fields)}."
        )
    return shaped


def _shape(
    session: Session, entry: TableEntry, query: DatasetQuery, described: Sequence[Field], instants: frozenset[str]
) -> DescribedQuery:
    names = query.columns or [field.name for field in described]
    fields = tuple(replace(field, name=name) for field, name in zip(described, names, strict=True))
    forms = exact_forms(query, fields, session.clock, instants)
    rules = {name.casefold(): rule for name, rule in entry.mask.items() if rule != "keep"}
    masks = {field.name: rules[field.name.casefold()] for field in fields if field.name.casefold() in rules}
    if len(masks) == len(fields) and set(masks.values()) == {"drop"}:
        raise SourceError(
            f"mask: every column of the {query.dataset} is dropped; leave the {query.dataset} out instead."
        )
    outputs = query.outputs or [(quote(name), name) for name in names]
    plain = frozenset(place for place, (sql, _) in enumerate(outputs) if returns_cell_values(sql))
    return DescribedQuery(query.asked_as(names, forms), fields, masks, frozenset(forms), plain)

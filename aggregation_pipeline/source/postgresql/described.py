"""Queries with their columns as the server describes them, before any row is read: forms and masks are chosen."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow as pa
from pydantic import SecretStr

from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.trees import returns_cell_values
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.postgresql.arrow_types import TEXTS, ColumnType, Output, column_type, masked_type
from aggregation_pipeline.source.postgresql.calendar import Calendar
from aggregation_pipeline.source.postgresql.logical_clock import moment_of_the_server, without_moments
from aggregation_pipeline.source.postgresql.numerics import computed_digits, declared_digits
from aggregation_pipeline.source.postgresql.query import DatasetQuery
from aggregation_pipeline.source.postgresql.savepoint import savepoint
from aggregation_pipeline.source.postgresql.session import Session, SourceColumn, type_name

INTEGERS: Final = ("int2", "int4", "int8")
# A text is not the date or time that it is read as.
_NO_DATE: Final = "22007"


@dataclass(frozen=True)
class DescribedQuery:
    """A query whose columns are known.

    Attributes:
        outputs: in the order of the query; those that a mask drops too.
        types: of the columns of the derived table, by the server's short names.
    """

    query: DatasetQuery
    outputs: tuple[Output, ...]
    types: Mapping[str, str]

    @property
    def masks(self) -> Mapping[str, str]:
        """How each masked output is hidden."""
        return {output.name: output.rule for output in self.outputs if output.rule is not None}

    @property
    def nan_places(self) -> list[int]:
        """The outputs that are decimals as long as none of their values is NaN, by their places from 1 on."""
        return [place for place, output in enumerate(self.outputs, start=1) if output.may_hold_nan]

    @property
    def nan_columns(self) -> list[str]:
        """Their columns in the derived table."""
        return [f"o{place}" for place in self.nan_places]

    @property
    def leading_key(self) -> str | None:
        """The column of the derived table by which rows come first of all, if it is a whole number of the key's."""
        first = next(iter(self.query.terms), None)
        if first is None or not first.is_key or first.hashed or self.types[first.column] not in INTEGERS:
            return None
        return first.column

    def count_sql(self, spanned: str | None = None) -> str:
        """Return the statement that counts the rows before they are read; see `DatasetQuery.count_sql`."""
        return self.query.count_sql(self.nan_columns, spanned)

    def statement(self, columns: Mapping[int, ColumnType], only: str = "") -> str:
        """Return the statement that reads the rows in the forms of these columns, which a NaN does not change.

        Args:
            columns: by their places from 1 on.
            only: condition on the derived table's columns; see `DatasetQuery.statement`.
        """
        forms = {place: column.form(f"q.o{place}") for place, column in columns.items()}
        order = [term.sql(is_text=self.types[term.column] in TEXTS) for term in self.query.terms]
        return self.query.statement(forms, order, self.nan_columns, only)

    def column_types(
        self, zone: ZoneInfo, calendar: Calendar, salt: SecretStr, with_nan: Collection[int]
    ) -> dict[int, ColumnType]:
        """Return how each output becomes an Arrow column, by its place from 1 on; a dropped one is left out.

        Args:
            zone: the session's.
            calendar: counts the dates that no calendar has.
            salt: the key of hashes.
            with_nan: the places of those that hold a NaN.

        Raises:
            SourceError: a mask does not suit.
        """
        return {
            place: column_type(output, zone, calendar, has_nan=place in with_nan)
            if output.rule is None
            else masked_type(output, calendar, salt)
            for place, output in enumerate(self.outputs, start=1)
            if output.rule != "drop"
        }


def describe(
    session: Session, entry: TableEntry, query: DatasetQuery, columns: Mapping[str, SourceColumn]
) -> DescribedQuery:
    """Let the server check a query and describe its columns; no row is read.

    Args:
        columns: of the entry's table.

    Raises:
        SourceError: the server refuses it, or every column would be dropped.
    """
    schema = session.link.describe(query.inner)
    refuse_moments(session, query.inner)
    rules = {name.casefold(): rule for name, rule in entry.mask.items() if rule != "keep"}
    outputs = tuple(
        _output(sql, name, field, columns, entry, rules.get(name.casefold()))
        for (sql, name), field in zip(query.outputs, schema, strict=False)
    )
    if not outputs:
        raise SourceError(f"{entry.table} has no columns, so there is nothing to read. Take the entry out.")
    if all(output.rule == "drop" for output in outputs):
        raise SourceError(
            f"mask: every column of the {query.dataset} is dropped; leave the {query.dataset} out instead."
        )
    types = {field.name: type_name(field.metadata) for field in schema}
    return DescribedQuery(query, outputs, types)


def refuse_moments(session: Session, sql: str) -> None:
    """Refuse texts that the server reads as a moment of its own clock, wherever they stand in a statement.

    Raises:
        SourceError: names the text.
    """
    for text, other in without_moments(sql):
        try:
            with savepoint(session):
                session.link.describe(other)
        except SourceLostError:
            raise
        except SourceError as error:
            if error.code == _NO_DATE:
                raise moment_of_the_server(text) from None


def _output(
    sql: str,
    name: str,
    field: pa.Field,
    columns: Mapping[str, SourceColumn],
    entry: TableEntry,
    rule: object,
) -> Output:
    kind = type_name(field.metadata)
    typmod = int((field.metadata or {}).get(b"POSTGRESQL:typmod", b"-1"))
    table = POSTGRESQL.quote(entry.source_table.name)
    by_sql = {each: column for column in columns.values() for each in _ways_to_name(table, column.name)}
    shown = by_sql.get(sql)
    digits = None
    if kind == "numeric":
        digits = declared_digits(typmod) if typmod != -1 else computed_digits(sql, columns)
    return Output(
        name=name,
        # A name that ADBC makes up is none of the server's.
        type="" if kind.startswith("unnamed<") and shown is None else kind if shown is None else shown.type,
        full_type=shown.full_type if shown is not None else "",
        digits=digits,
        rule=rule,  # type: ignore[arg-type]  # one of MaskRule, as the entry was checked
        is_plain=returns_cell_values(sql, POSTGRESQL),
    )


def _ways_to_name(table: str, column: str) -> tuple[str, str]:
    quoted = POSTGRESQL.quote(column)
    return quoted, f"{table}.{quoted}"

"""Add to the server's refusals what they mean for the entry: the key of a wrong name, or the right name."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.server_functions import FUNCTIONS
from aggregation_pipeline.config.sql.tokens import ExpressionError, tokenize
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.entry_expressions import expressions_of
from aggregation_pipeline.source.mysql.query import DatasetQuery
from aggregation_pipeline.source.mysql.session import Session

_UNKNOWN_COLUMN: Final = 1054
_OUT_OF_RANGE: Final = 1690
# An account without a privilege on a table gets 1142 whether the table exists or not.
_UNKNOWN_TABLE: Final = (1142, 1146)
_UNKNOWN_DATABASE: Final = (1044, 1049)
_UNKNOWN_FUNCTION: Final = (1305, 1370)


@contextlib.contextmanager
def add_hints(session: Session, entry: TableEntry, query: DatasetQuery | None = None) -> Iterator[None]:
    """Add to the server's refusal what the entry and the database tell about it.

    Raises:
        SourceError: the refusal, with a longer message.
    """
    try:
        yield
    except SourceError as error:
        if entry.shard_name:
            error.shard = str(entry.source_table)
            error.args = (f"{error.shard}: {error}",)
        # The hints ask the server again, which may no longer answer.
        with contextlib.suppress(SourceError):
            if error.code is not None and (hint := _hint(session, entry, query, error)):
                error.args = (f"{error}{hint}",)
        raise


def _hint(session: Session, entry: TableEntry, query: DatasetQuery | None, error: SourceError) -> str:
    if error.code == _UNKNOWN_COLUMN and error.named:
        return _column_hint(session, entry, error.named[0])
    if error.code == _OUT_OF_RANGE and query is not None:
        return _overflow_hint(query, error.named)
    database, table = entry.source_table
    if error.code in _UNKNOWN_FUNCTION and error.named:
        return did_you_mean(error.named[0].rpartition(".")[2], FUNCTIONS)
    if error.code in _UNKNOWN_TABLE:
        return _table_hint(session, database, table)
    if error.code in _UNKNOWN_DATABASE and database is not None:
        return _case_hint(database, _names(session, _DATABASES, None))
    return ""


_TABLES: Final = "SELECT table_name FROM information_schema.tables WHERE table_schema = COALESCE(:database, DATABASE())"
_DATABASES: Final = "SELECT schema_name FROM information_schema.schemata WHERE COALESCE(:database, '') = ''"


def _names(session: Session, query: str, database: str | None) -> list[str]:
    with session.translate_errors():
        return [str(row[0]) for row in session.connection.execute(sa.text(query), {"database": database})]


def _case_hint(wrong: str, known: list[str]) -> str:
    """Suggest the nearest of the names that the account may see."""
    other_case = next((name for name in known if name != wrong and name.casefold() == wrong.casefold()), None)
    if other_case:
        return f" There is {other_case}, which differs in case only, and on this server case counts."
    return "" if wrong in known else did_you_mean(wrong, known)


def _table_hint(session: Session, database: str | None, table: str) -> str:
    if database is not None and database not in (databases := _names(session, _DATABASES, None)):
        near = _case_hint(database, databases) or " Check its name, or grant SELECT in it to DB_USER."
        return f" DB_USER sees no database {database}.{near}"
    return _case_hint(table, _names(session, _TABLES, database))


def _column_hint(session: Session, entry: TableEntry, wrong: str) -> str:
    bare = wrong.rpartition(".")[2]
    known = session.columns(*entry.source_table)
    keys = [key for key, text in expressions_of(entry) if bare.casefold() in _names_in(text)]
    place = f" It is used in {', '.join(keys)}." if keys else ""
    # If the entry's table has the column, another table of a sub-select lacks it.
    hint = "" if any(name.casefold() == bare.casefold() for name in known) else did_you_mean(bare, known)
    # The unknown column may be a text without quotes.
    text = (
        f" If it is a text, it has to be in quotes: '{wrong}'."
        if keys in (["where"], ["having"]) and not hint and "." not in wrong
        else ""
    )
    return f"{place}{hint}{text}"


def _overflow_hint(query: DatasetQuery, named: Sequence[str]) -> str:
    """Name the outputs that compute something from the columns that the server named, or from any if it named none."""
    computed = {name: _names_in(sql) for sql, name in query.outputs if "(" in sql}
    columns = {name.rpartition(".")[2].casefold() for name in named}
    suspects = [name for name, names in computed.items() if columns & names and columns <= names] or list(computed)
    if not suspects:
        return ""
    if len(suspects) == 1:
        return f" It comes from the output {suspects[0]}."
    return f" It comes from one of the outputs {', '.join(suspects)}."


def _names_in(text: str) -> frozenset[str]:
    """Every name in an expression, in lower case, whether of a column or not."""
    try:
        return frozenset(token.name for token in tokenize(text)[0] if token.name)
    except ExpressionError:
        # A column's bare name need not be a word of SQL.
        return frozenset((text.casefold(),))

"""What a refusal of the server has to do with the entry: the key of a wrong name, the right name, the output that
overflowed.
"""

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
# An account without a right to a table is told 1142 whether there is such a table or not.
_UNKNOWN_TABLE: Final = (1142, 1146)
_UNKNOWN_DATABASE: Final = (1044, 1049)
_UNKNOWN_FUNCTION: Final = (1305, 1370)


@contextlib.contextmanager
def add_hints(session: Session, entry: TableEntry, query: DatasetQuery | None = None) -> Iterator[None]:
    """Add to the server's refusal what is known of the entry and of the database.

    Raises:
        SourceError: the same, with more words.
    """
    try:
        yield
    except SourceError as error:
        # The server is asked again; it may be that it no longer answers.
        with contextlib.suppress(SourceError):
            if error.code is not None and (hint := _hint(session, entry, query, error)):
                error.args = (f"{error}{hint}",)
        raise


def _hint(session: Session, entry: TableEntry, query: DatasetQuery | None, error: SourceError) -> str:
    if error.code == _UNKNOWN_COLUMN and error.named:
        return _column_hint(session, entry, error.named[0])
    if error.code == _OUT_OF_RANGE and query is not None:
        return _overflow_hint(query, error.named)
    database, table = entry.source
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
    """The nearest of the names that the account may see."""
    twin = next((name for name in known if name != wrong and name.casefold() == wrong.casefold()), None)
    if twin:
        return f" There is {twin}, which differs in case only, and on this server case counts."
    return "" if wrong in known else did_you_mean(wrong, known)


def _table_hint(session: Session, database: str | None, table: str) -> str:
    if database is not None and database not in (databases := _names(session, _DATABASES, None)):
        near = _case_hint(database, databases) or " Check its name, or grant SELECT in it to DB_USER."
        return f" DB_USER sees no database {database}.{near}"
    return _case_hint(table, _names(session, _TABLES, database))


def _column_hint(session: Session, entry: TableEntry, wrong: str) -> str:
    bare = wrong.rpartition(".")[2]
    known = session.columns(*entry.source)
    keys = [key for key, text in expressions_of(entry) if bare.casefold() in _names_in(text)]
    place = f" It stands in {', '.join(keys)}." if keys else ""
    # One that the table has is missing in another table, of a sub-select.
    hint = "" if any(name.casefold() == bare.casefold() for name in known) else did_you_mean(bare, known)
    # A server that knows no such column may have been given a text without quotes.
    text = (
        f" If it is a text, it stands in quotes: '{wrong}'."
        if keys == ["where"] and not hint and "." not in wrong
        else ""
    )
    return f"{place}{hint}{text}"


def _overflow_hint(query: DatasetQuery, named: Sequence[str]) -> str:
    """The outputs that compute something, of the columns that the server named, if it named some."""
    computed = {name: _names_in(sql) for sql, name in query.outputs if "(" in sql}
    columns = {name.rpartition(".")[2].casefold() for name in named}
    meant = [name for name, names in computed.items() if columns & names and columns <= names] or list(computed)
    if not meant:
        return ""
    return (
        f" It comes of the output {meant[0]}."
        if len(meant) == 1
        else f" It comes of one of the outputs {', '.join(meant)}."
    )


def _names_in(text: str) -> frozenset[str]:
    """Every name in a fragment, in lower case, whether of a column or not."""
    try:
        return frozenset(token.name for token in tokenize(text)[0] if token.name)
    except ExpressionError:
        # A column by its bare name, which need not be a word of SQL.
        return frozenset((text.casefold(),))

"""Tables of the engine MERGE, which hold no rows of their own: they show those of other tables."""

import re
from typing import Final

from aggregation_pipeline.config.sql.dialect import unquote
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.mysql.session import Session

MERGE_ENGINES: Final = frozenset(("mrg_myisam", "merge"))
_NAME: Final = r"`(?:[^`]|``)+`"
_TABLE: Final = re.compile(rf"(?:({_NAME})\.)?({_NAME})")
# Before these are the columns, whose comments may hold anything; behind the UNION is the comment of the table.
_OPTIONS: Final = "\n) ENGINE="
_UNION: Final = re.compile(rf" UNION=\(((?:{_TABLE.pattern},?)*)\)")


def tables_merged(session: Session, table: TableName, database: str) -> frozenset[TableName] | None:
    """Return the tables that a MERGE table in a database shows; None where they cannot be seen.

    Raises:
        SourceLostError: the server went away.
    """
    try:
        _, rows = session.rows(f"SHOW CREATE TABLE {TableName(database, table.name).sql}")
    except SourceLostError:
        raise
    except SourceError:
        return None
    _, mark, options = str(rows[0][1]).rpartition(_OPTIONS)
    union = _UNION.search(options)
    if not mark or (union is None and " UNION=" in options):
        return None
    names = _TABLE.findall(union[1]) if union else []
    return frozenset(TableName(unquote(place) if place else database, unquote(name)) for place, name in names)

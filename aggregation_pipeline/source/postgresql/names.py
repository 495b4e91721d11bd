"""How the server reads names: which letters it makes small, and which names it cuts."""

import string
from typing import Final

from aggregation_pipeline.config.entry_query import expressions_of
from aggregation_pipeline.config.messages.located_issues import format_key_path
from aggregation_pipeline.config.sql.dialect import unquote
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.tokens import tokenize
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError

# In bytes. The server cuts a longer name, and tells nobody but in a notice.
LONGEST_NAME: Final = 63
_SMALL: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def folded(name: str) -> tuple[str, ...]:
    """Return what a name without quotation marks may mean: in a database in UTF-8 only A to Z become small letters."""
    return tuple(dict.fromkeys((name.translate(_SMALL), name.lower())))


def refuse_cut_names(entry: TableEntry) -> None:
    """Refuse names that the server would cut: to masks and to checks they are other names than those that it reads.

    Raises:
        SourceError: names the key and the name.
    """
    _refuse_cut("table", *filter(None, entry.source_table))
    for place, sql in expressions_of(entry.query):
        tokens = tokenize(sql, POSTGRESQL)[0]
        _refuse_cut(
            format_key_path(place),
            *(unquote(each.text) if each.kind == "quoted" else each.text for each in tokens if each.name),
        )


def _refuse_cut(key: str, *names: str) -> None:
    for name in names:
        if len(name.encode()) > LONGEST_NAME:
            raise SourceError(
                f"{key}: the name {name} has {len(name.encode())} bytes in UTF-8, and PostgreSQL cuts names after"
                f" {LONGEST_NAME}. Write it as the database has it."
            )

"""What an entry uses without a hint here of what it shows: sub-selects over masked tables, stored functions, tables of
the server.
"""

from collections.abc import Iterator

from aggregation_pipeline.config.mask_options import Asked, fragments
from aggregation_pipeline.config.masked_columns import Masked, is_of_the_server, of_the_server, reached_by
from aggregation_pipeline.config.messages.located_errors import Placed
from aggregation_pipeline.config.sql.references import named_by
from aggregation_pipeline.config.sql.server_functions import WITHOUT_BLANK
from aggregation_pipeline.config.sql.table_names import TableName


def not_allowed(asked: Asked, masked: Masked) -> Iterator[Placed]:
    """Whatever of that an entry does not list under `allow`, with its place in the entry."""
    if is_of_the_server(asked.table) and not asked.allow.table(asked.table):
        yield Placed(("table",), _of_the_server(asked.table))
    for place, sql in fragments(asked):
        named = named_by(sql)
        for table in reached_by(named, masked):
            if not asked.allow.table(table):
                masker = next(iter(masked[table].values())).entry
                whose = "" if masker == asked.entry else f" (by the entry {masker})"
                yield Placed(
                    place,
                    f"a sub-select reads {table}, which has masked columns{whose}. Leave it out, or write"
                    f" {_allowed('tables', table)}; then an output that shows one of them is masked or kept, as any"
                    " other",
                )
        yield from (
            Placed(place, _of_the_server(table)) for table in of_the_server(named) if not asked.allow.table(table)
        )
        yield from (Placed(place, _stored(function)) for function in named.stored if not asked.allow.function(function))


def _stored(function: TableName) -> str:
    blank = " with a blank before the bracket" if function.name.lower() in WITHOUT_BLANK else ""
    return (
        f"{function}(){blank} is no function of MySQL's own that is known here, and a stored one can show masked"
        f" columns of any table. Leave it out, or, if it shows none, write {_allowed('functions', function)}"
    )


def _of_the_server(table: TableName) -> str:
    return (
        f"{table} can hold values of masked columns, as statistics or in other people's statements. Leave it out, or,"
        f" if it shows none, write {_allowed('tables', table)}"
    )


def _allowed(key: str, name: TableName) -> str:
    return f"allow: {{{key}: [{name}]}}"

"""Which format the tables of a schema of ours are of: a comment on the schema says it, and who made them.

A schema without such a comment is of format 1: the first tables were made without one, and so are those of people who
run the files of sql/ by hand.
"""

import re
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.errors import newer_format, this_program

_COMMENT: Final = sa.text("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :schema")
_FORMAT: Final = re.compile(r"(aggregation-pipeline \S+), format ([0-9]{1,9})")


@dataclass(frozen=True)
class TableFormat:
    """What a schema says of its tables. `is_noted`: whether it says it, or has no comment of ours."""

    number: int
    written_by: str
    is_noted: bool


def stored_format(connection: sa.Connection, schema: str) -> TableFormat | None:
    """Return the format of the tables of a schema; None where there is no such schema."""
    found = connection.execute(_COMMENT, {"schema": schema}).all()
    if not found:
        return None
    said = _FORMAT.fullmatch(found[0][0] or "")
    return TableFormat(int(said[2]), said[1], is_noted=True) if said else TableFormat(1, "", is_noted=False)


def newer_tables(connection: sa.Connection, schema: str, known: int) -> str | None:
    """Return why the tables cannot be used, if a newer version of this package made them; None if they can."""
    found = stored_format(connection, schema)
    if found is None or found.number <= known:
        return None
    return newer_format(f"The schema {schema} of PostgreSQL", found.number, known, found.written_by)


def note_format(connection: sa.Connection, schema: str, number: int) -> None:
    """Note, in the caller's transaction, that the tables are of this format. The user has to own the schema."""
    quoted = sa.literal(f"{this_program()}, format {number}").compile(
        dialect=connection.dialect, compile_kwargs={"literal_binds": True}
    )
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {connection.dialect.identifier_preparer.quote(schema)} IS {quoted}")

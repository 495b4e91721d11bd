"""Tables of our own in PostgreSQL, a schema each. Each has a format, and steps from one format to the next.

There is one format so far, so there is no step. A step adds to the tables, and drops nothing: a process of the former
version may still be at work.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from aggregation_pipeline.access import store as access
from aggregation_pipeline.alerts import outbox_table as alerts
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.launching import requests as launches
from aggregation_pipeline.postgres.engine import create_engine, safe_reason
from aggregation_pipeline.postgres.table_format import newer_tables, note_format, stored_format
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.upgrade.parts import Part

# For a step on a large table.
_MINUTES = 10


@dataclass(frozen=True)
class OwnTables:
    """The tables of a schema.

    Attributes:
        variable: names the database.
        format: what this version of the package needs.
        steps: by the format that a step leads to, the SQL that makes it of the one before.
    """

    schema: str
    what: str
    variable: str
    format: int
    steps: Mapping[int, str] = field(default_factory=dict)


ALL_TABLES = (
    OwnTables(access.SCHEMA, "sessions, audit log and use of tokens", "DAGSTER_PG_URL", access.FORMAT),
    OwnTables(launches.SCHEMA, "requests of POST /aggregate", "DAGSTER_PG_URL", launches.FORMAT),
    OwnTables(alerts.SCHEMA, "the outbox of alerts", "BATCH_JOBS_URL", alerts.FORMAT),
)


def own_parts(settings: Settings, all_tables: tuple[OwnTables, ...] = ALL_TABLES) -> Iterator[Part]:
    """Yield a part for each schema.

    Raises:
        SettingsError: PostgreSQL does not answer.
    """
    for tables in all_tables:
        in_dagster = tables.variable == "DAGSTER_PG_URL"
        url = settings.require_dagster_url() if in_dagster else settings.require_batch_jobs_url()
        engine = create_engine(url, application_name="aggregation upgrade", statement_timeout=60.0 * _MINUTES)
        try:
            with engine.connect() as connection:
                yield _part(tables, engine, connection)
        except sa.exc.SQLAlchemyError as error:
            raise SettingsError(
                f"{tables.schema}: PostgreSQL does not answer ({safe_reason(error)}). Check {tables.variable}"
            ) from None


def _part(tables: OwnTables, engine: sa.Engine, connection: sa.Connection) -> Part:
    name = f"{tables.schema} ({tables.what})"
    found = stored_format(connection, tables.schema)
    if found is None:
        return Part(name, "absent", "not there: they are made when they are first needed")
    newer = newer_tables(connection, tables.schema, tables.format)
    if newer is not None:
        return Part(name, "unusable", newer)
    if found.number == tables.format and found.is_noted:
        return Part(name, "current", f"of format {found.number}, by {found.written_by}")
    text = f"of format {found.number}, and this version needs {tables.format}"
    if found.number == tables.format:
        text = f"of format {found.number}, which is not noted there yet"
    return Part(name, "pending", text, functools.partial(_apply, tables, engine, found.number))


def _apply(tables: OwnTables, engine: sa.Engine, number: int, report: Callable[[str], None]) -> None:
    """Go from format to format, each in a transaction with its number, so that a repeat goes on where one ended."""
    try:
        for target in range(number + 1, tables.format + 1):
            report(f"{tables.schema}: to format {target}")
            with engine.begin() as connection:
                connection.exec_driver_sql(tables.steps[target])
                note_format(connection, tables.schema, target)
        with engine.begin() as connection:
            note_format(connection, tables.schema, tables.format)
    except sa.exc.SQLAlchemyError as error:
        raise SettingsError(
            f"{tables.schema} could not be changed ({safe_reason(error)}). Nothing of this step was done. The user of"
            f" {tables.variable} has to own the schema; correct that, and run `aggregation-pipeline upgrade` again"
        ) from None

"""Dagster's tables in a new database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from dagster_postgres import DagsterPostgresStorage

from aggregation_pipeline.instance.storage import PostgresStorage
from aggregation_pipeline.postgres.engine import create_engine

# Tables, indexes, the version of the schema, and the migrations of data that are done.
OBJECTS = """
    SELECT tablename AS name, '' AS definition FROM pg_tables WHERE schemaname = 'public'
    UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'version', version_num FROM alembic_version
    UNION ALL SELECT 'migration', name FROM secondary_indexes WHERE migration_completed IS NOT NULL
"""


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    engine = create_engine(url, application_name="test")
    with engine.begin() as connection:
        return sorted(tuple(row) for row in connection.execute(sa.text(statement)))


@contextmanager
def broken_off_at(words: str) -> Iterator[None]:
    """End whatever is about to send a statement with these words, as Ctrl-C does."""

    def end(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        if words in statement:
            raise KeyboardInterrupt

    sa.event.listen(sa.Engine, "before_cursor_execute", end)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", end)


@pytest.mark.parametrize("words", ["CREATE TABLE asset_check_executions", "INSERT INTO secondary_indexes"])
def test_tables_are_made_as_dagster_makes_them_also_after_a_process_that_broke_off(postgres: Any, words: str):
    ours, dagsters = str(postgres.fresh_database()), str(postgres.fresh_database())
    DagsterPostgresStorage(dagsters, should_autocreate_tables=True)
    with broken_off_at(words):
        PostgresStorage.from_config_value(None, {"postgres_url": ours})
    PostgresStorage.from_config_value(None, {"postgres_url": ours})
    assert execute(ours, OBJECTS) == execute(dagsters, OBJECTS)

"""Tables of ours are taken from format to format, once, and never back."""

import pytest
import sqlalchemy as sa

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.launching import requests
from aggregation_pipeline.postgres.table_format import note_format, stored_format
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.upgrade.own_tables import ALL_TABLES, OwnTables, own_parts
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.upgrade.first_format import sample_tables

COLUMN = "ALTER TABLE aggregation_launches.requests ADD COLUMN IF NOT EXISTS note TEXT"


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.fresh_database()


def settings(url: str) -> Settings:
    return Settings.model_validate({"dagster_pg_url": url})


def later(*steps: str) -> tuple[OwnTables, ...]:
    """A version of the package that has changed the table of requests by these steps."""
    numbered = dict(enumerate(steps, 2))
    return (OwnTables(requests.SCHEMA, "requests", "DAGSTER_PG_URL", 1 + len(steps), numbered),)


def said(text: str) -> None:
    assert text


def test_what_is_not_there_is_made_when_it_is_needed(url: str):
    assert {part.state for part in own_parts(settings(url))} == {"absent"}
    assert len(list(own_parts(settings(url)))) == len(ALL_TABLES) == 3


def test_the_first_tables_get_their_number_and_keep_their_rows(url: str):
    engine = sample_tables(url)
    parts = list(own_parts(settings(url)))
    assert {part.state for part in parts} == {"pending"}
    for part in parts:
        assert part.apply is not None
        part.apply(said)
    assert {part.state for part in own_parts(settings(url))} == {"current"}
    with engine.connect() as connection:
        found = stored_format(connection, "aggregation_access")
        assert found is not None
        assert (found.number, found.is_noted) == (1, True)
        assert connection.exec_driver_sql("SELECT count(*) FROM aggregation_access.audit").scalar_one() == 3


def test_steps_are_taken_in_order_and_go_on_where_one_failed(url: str):
    engine = sample_tables(url)
    broken = later(COLUMN, "ALTER TABLE aggregation_launches.nothing ADD COLUMN note TEXT")
    (part,) = own_parts(settings(url), broken)
    assert part.text == "of format 1, and this version needs 3"
    assert part.apply is not None
    with pytest.raises(
        SettingsError, match=r"aggregation_launches could not be changed .* run `aggregation-pipeline upgrade` again"
    ):
        part.apply(said)
    whole = later(COLUMN, "UPDATE aggregation_launches.requests SET note = 'done'")
    (part,) = own_parts(settings(url), whole)
    assert part.text == "of format 2, and this version needs 3"
    assert part.apply is not None
    part.apply(said)
    part.apply(said)
    (part,) = own_parts(settings(url), whole)
    assert part.state == "current"
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT note FROM aggregation_launches.requests").scalar_one() == "done"
    # The version before does not touch them any more.
    (part,) = own_parts(settings(url), later())
    assert (part.state, part.apply) == ("unusable", None)


def test_a_comment_of_somebody_else_says_nothing(url: str):
    engine = sample_tables(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("COMMENT ON SCHEMA aggregation_alerts IS 'ask Li before you touch it'")
        found = stored_format(connection, "aggregation_alerts")
        assert found is not None
        assert (found.number, found.is_noted) == (1, False)
        note_format(connection, "aggregation_alerts", 7)
    with engine.connect() as connection:
        newer = stored_format(connection, "aggregation_alerts")
        assert newer is not None
        assert newer.number == 7


def test_a_database_that_is_away_names_its_variable():
    away = settings("postgresql://somebody:canary-secret@127.0.0.1:1/none")
    with pytest.raises(SettingsError, match="Check DAGSTER_PG_URL") as error:
        list(own_parts(away))
    assert "canary-secret" not in str(error.value)


def test_new_tables_know_their_format(url: str):
    engine = sa.create_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        requests.ensure_table(connection)
        found = stored_format(connection, requests.SCHEMA)
    engine.dispose()
    assert found is not None
    assert found.is_noted

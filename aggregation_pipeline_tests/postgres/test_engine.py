"""Sessions are in UTC, named, and cannot wait for ever."""

import time
from typing import Any

import pytest
import sqlalchemy as sa

from aggregation_pipeline.postgres.engine import create_engine, deadline


def test_a_session_is_in_utc_named_and_bounded_whatever_the_servers_zone_and_environment_say(
    postgres: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PGTZ", "America/New_York")
    engine = create_engine(postgres.url, application_name="aggregation test", statement_timeout=2.5)
    with engine.connect() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in ("timezone", "application_name", "statement_timeout")
        ]
    assert shown == ["UTC", "aggregation test", "2500ms"]


def test_an_error_of_a_statement_does_not_show_its_parameters(postgres: Any):
    engine = create_engine(postgres.url, application_name="aggregation test")
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as caught:
        connection.execute(sa.text("SELECT :value / 0, 1 / 0"), {"value": 8675309})
    assert "8675309" not in str(caught.value)


def test_a_server_that_does_not_answer_is_given_up_at_the_deadline(postgres: Any):
    engine = create_engine(postgres.url, application_name="aggregation test", statement_timeout=0)
    began = time.monotonic()
    with pytest.raises(sa.exc.OperationalError), engine.connect() as connection, deadline(connection, 0.3):
        connection.exec_driver_sql("SELECT pg_sleep(30)")
    assert time.monotonic() - began < 5


def test_a_deadline_that_was_met_leaves_the_connection_alone(postgres: Any):
    engine = create_engine(postgres.url, application_name="aggregation test")
    with engine.connect() as connection:
        with deadline(connection, 30):
            assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
        assert connection.exec_driver_sql("SELECT 2").scalar_one() == 2

"""The tables of the outbox: where they come from, and what is said when they cannot be reached."""

from typing import Any

import pytest
import sqlalchemy as sa

from aggregation_pipeline.alerts.outbox_table import create_sql, ensure_tables
from aggregation_pipeline.errors import AlertError
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.support.paths import REPOSITORY

SQL = REPOSITORY / "sql" / "alerts"


def test_the_sql_that_the_package_carries_is_the_one_in_sql():
    assert create_sql() == (SQL / "create_alert_tables.sql").read_text(encoding="utf-8")


def test_the_tables_are_created_once_in_a_schema_of_their_own_and_then_left_alone(postgres: Any):
    engine = create_engine(postgres.fresh_database(), application_name="aggregation test")
    assert (ensure_tables(engine), ensure_tables(engine)) == (True, False)
    with engine.begin() as connection:
        schemas = connection.execute(
            sa.text("SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name = 'incidents'")
        )
        assert schemas.scalars().all() == ["aggregation_alerts"]
        assert list(connection.execute(sa.text((SQL / "undelivered_alerts.sql").read_text()))) == []


def test_an_outbox_that_is_away_is_named_with_the_remedy():
    with pytest.raises(AlertError, match="Check BATCH_JOBS_URL"):
        ensure_tables(create_engine("postgresql://a:b@127.0.0.1:1/x", application_name="aggregation test"))

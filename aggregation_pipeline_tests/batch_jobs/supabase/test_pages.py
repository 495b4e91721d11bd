"""Pages and figures by REST are what a connection gets."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.batch_jobs.browse import RowFilter
from aggregation_pipeline.batch_jobs.pages import PageFilter, Position
from aggregation_pipeline.batch_jobs.repository import postgres_repository
from aggregation_pipeline.batch_jobs.supabase import SupabaseRepository
from aggregation_pipeline_tests.batch_jobs.any_rows import ROW, STATUSES, insert, our_row, write

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    others=st.lists(ROW, max_size=4),
    wanted=st.builds(
        PageFilter,
        job_type=st.sampled_from([None, "data_collection", "数据"]),
        statuses=st.sampled_from([None, ("failed",), STATUSES]),
        platform=st.sampled_from([None, "orders"]),
        entry=st.just("orders"),
        since=st.sampled_from([None, NOON, NOON + timedelta(minutes=3)]),
        until=st.sampled_from([None, NOON + timedelta(minutes=5)]),
    ),
)
def test_rest_and_connection_agree(
    engine: sa.Engine, rest: SupabaseRepository, others: list[dict[str, Any]], wanted: PageFilter
):
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE batch_jobs")
    write(engine, [our_row(number, NOON + timedelta(minutes=number), STATUSES[number % 4]) for number in range(8)])
    for row in others:
        insert(engine, **row)
    with postgres_repository(engine, 60) as direct:
        after: Position | None = None
        while True:
            page = rest.read_page(wanted, after, 3)
            assert page == direct.read_page(wanted, after, 3)
            if page.end is None:
                break
            after = page.end
        assert rest.figures("data_collection", NOON) == direct.figures("data_collection", NOON)
        bounds = [NOON - timedelta(days=1), NOON, NOON + timedelta(minutes=5)]
        assert rest.buckets("data_collection", "prod", bounds) == direct.buckets("data_collection", "prod", bounds)
        found = [sorted(each.list_rows(RowFilter(limit=50)), key=lambda row: row["id"]) for each in (rest, direct)]
        assert found[0] == found[1]

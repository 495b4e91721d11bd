"""Rows that any program may have written break no page, and ours beside them are what they are."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.batch_jobs.repository import postgres_repository
from aggregation_pipeline.overview.history import joined, read_days, read_recent, usual_of, whole_days
from aggregation_pipeline.overview.one_batch import read_batch
from aggregation_pipeline_tests.batch_jobs.any_rows import JSON, ROW, insert, our_row, run_id, write
from aggregation_pipeline_tests.support.runs import new_batch_jobs

NOW = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
FIGURES = (
    st.dictionaries(st.sampled_from(["status", "items", "seconds", "bytes", "files", "stages", "partitions"]), JSON)
    | JSON
)
# What looks like the results of tables, and is anything.
RESULTS = st.dictionaries(
    st.sampled_from(["orders", "shop", "", "数据"]),
    st.fixed_dictionaries(
        {
            "tables": st.just(["orders"]) | JSON,
            "by_table": st.dictionaries(st.sampled_from(["orders", "x"]), FIGURES) | JSON,
        }
    )
    | JSON,
)
OTHERS = ROW | st.tuples(ROW, RESULTS).map(lambda made: {**made[0], "metadata": json.dumps({"results": made[1]})})


@pytest.fixture(scope="module")
def engine(postgres: Any) -> sa.Engine:
    return new_batch_jobs(postgres.fresh_database())


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(others=st.lists(OTHERS, min_size=1, max_size=5))
def test_every_row_has_a_page_and_ours_are_counted(engine: sa.Engine, others: list[dict[str, Any]]):
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE batch_jobs")
    write(engine, [our_row(number, NOW - timedelta(hours=number), tables=("ours", "alone")) for number in (1, 2)])
    ids = [str(uuid4()) for _ in others]
    for row, row_id in zip(others, ids, strict=True):
        insert(engine, id=row_id, **row)
    with postgres_repository(engine, 60) as rows:
        recent = read_recent(rows, "data_collection", "prod", NOW, SHANGHAI)
        days = joined(read_days(rows, "data_collection", "prod", NOW, SHANGHAI), recent.days)
        assert sum(counts.rows for counts in days.tables["ours"].values()) == 14
        assert sum(counts.completed for counts in recent.today.tables["alone"].values()) == 2
        usual_of(whole_days(days.totals, NOW, SHANGHAI, 30))
        for row_id in ids:
            found = read_batch(rows, UUID(row_id))
            assert found is not None
            assert found.detail.batch.id == row_id
        ours = read_batch(rows, UUID(run_id(1)))
        assert ours is not None
        assert ours.difference is not None
        assert (ours.difference.before.id, ours.difference.tables) == (run_id(2), [])

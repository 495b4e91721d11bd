"""By REST the figures are the same as by a connection."""

import functools

import pytest
import sqlalchemy as sa
from dagster import DagsterInstance

from aggregation_pipeline.batch_jobs.last_day import read_last_day
from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of
from aggregation_pipeline.batch_jobs.supabase import SupabaseRepository
from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline_tests.batch_jobs.test_last_day import BROKEN_WEIBO
from aggregation_pipeline_tests.support.runs import JOB_TYPE, FakeTable, run


def test_the_figures_are_the_same_by_rest(
    dagster_instance: DagsterInstance, engine: sa.Engine, rest: SupabaseRepository
):
    owner = owner_of(dagster_instance, "prod")
    mirror = functools.partial(
        mirror_run, dagster_instance, repository=rest, owner=owner, platforms={}, job_type=JOB_TYPE
    )
    assert rest.last_day(owner, JOB_TYPE).tables == {}
    mirror(run(dagster_instance, [FakeTable("baidu", 30), BROKEN_WEIBO]))
    with engine.connect() as connection:
        found = read_last_day(connection, owner, JOB_TYPE)
    assert rest.last_day(owner, JOB_TYPE) == found
    assert (found.failed, found.tables["baidu"].items, found.tables["weibo"].failing) == (1, 30, True)


def test_without_the_function_the_message_names_the_file_to_run(engine: sa.Engine, rest: SupabaseRepository):
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP FUNCTION last_day_of_batch_jobs")
    with pytest.raises(MirrorError, match=r"sql/record_batch_job\.sql"):
        rest.last_day(Owner("nobody", "none"), JOB_TYPE)

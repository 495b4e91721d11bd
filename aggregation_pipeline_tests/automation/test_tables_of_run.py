"""Which tables the process of a run builds; live/test_run_workers.py looks at the processes of real runs."""

from pathlib import Path
from typing import Any

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterRun, Definitions

from aggregation_pipeline.assets.keys import keys_of_table
from aggregation_pipeline.automation.tables_of_run import executes_the_plan, tables_of_run
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.instance.worker_run import WorkerRun
from aggregation_pipeline.project import Project, load_project
from aggregation_pipeline_tests.project.test_project import settings

CONFIG = """
tables:
  users: {}
  orders: {}
  a-b: {partition: {column: created_at, every: day, start: 2026-11-01}}
"""
USERS = frozenset(keys_of_table("users", ["json"]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder: Path = tmp_path_factory.mktemp("project")
    return load_project(settings(folder, CONFIG, output_format=("json",)))


def worker(*plan: str, job: str = "aggregate", step: str | None = None, **of_run: Any) -> WorkerRun:
    return WorkerRun(DagsterRun(job_name=job, **of_run), None, frozenset(plan), step)


def names(project: Project, found: WorkerRun) -> list[str] | None:
    needed = tables_of_run(project.tables, found)
    return None if needed is None else [table.entry.name for table in needed]


def built(project: Project, found: WorkerRun) -> Definitions:
    return build_definitions(project, tables=tables_of_run(project.tables, found))


def test_the_tables_of_a_run_are_those_of_its_plan(project: Project):
    assert names(project, worker("aggregate_users")) == ["users"]
    assert names(project, worker("aggregate_users", "aggregate_orders")) == ["users", "orders"]
    (partitioned,) = [table for table in project.tables if table.partitions]
    step = f"aggregate_{'_'.join(keys_of_table(partitioned.entry.name, [])[0].path[1:])}"
    assert names(project, worker(step)) == ["a-b"]


def test_the_process_of_a_step_needs_its_own_table_unless_the_run_has_a_selection(project: Project):
    """Dagster refuses a selection of which an asset is missing."""
    both = ("aggregate_users", "aggregate_orders")
    assert names(project, worker(*both, step="aggregate_users")) == ["users"]
    assert names(project, worker(*both, step="aggregate_users", asset_selection=USERS)) == ["users", "orders"]
    checks = frozenset({AssetCheckKey(AssetKey(["aggregation", "users"]), "snapshot_held")})
    assert names(project, worker(*both, step="aggregate_users", asset_check_selection=checks)) == ["users", "orders"]


@pytest.mark.parametrize(
    "found",
    [
        worker("aggregate_users", "revenue_by_day"),
        worker("observe_sources"),
        worker("aggregate_gone"),
        worker(),
        worker("aggregate_users", run_config={"ops": {"aggregate_users": {}}}),
        worker("aggregate_users", resolved_op_selection={"aggregate_users"}),
    ],
)
def test_a_run_that_has_something_else_gets_all_tables(found: WorkerRun, project: Project):
    assert names(project, found) is None


@pytest.mark.parametrize(
    "found",
    [
        worker("aggregate_users", "aggregate_orders"),
        worker("aggregate_users", "aggregate_orders", step="aggregate_users"),
        worker("aggregate_users", asset_selection=USERS),
        worker("aggregate_users", asset_selection=USERS, job="__ASSET_JOB"),
        worker("aggregate_users", asset_selection=frozenset(list(USERS)[:1])),
    ],
)
def test_the_job_has_the_same_steps_with_these_tables_as_with_all(found: WorkerRun, project: Project):
    assert executes_the_plan(built(project, found), found)


def test_a_job_keeps_its_name_whatever_is_built_of_it(project: Project):
    every = {job.name for job in build_definitions(project).resolve_all_job_defs()}
    for table in project.tables:
        assert {job.name for job in build_definitions(project, tables=[table]).resolve_all_job_defs()} <= every


@pytest.mark.parametrize(
    "found",
    [
        worker("aggregate_users", job="a_job_of_their_own"),
        worker("aggregate_users", asset_selection=USERS | set(keys_of_table("orders", []))),
        # Another check has become part of the run, or one of the run's assets is not configured any more.
        worker("aggregate_users", asset_selection=USERS | {AssetKey(["export", "users_csv"])}),
        worker("aggregate_users", asset_selection=USERS | {AssetKey("reports")}),
    ],
)
def test_a_run_that_these_tables_do_not_serve_is_found_out(found: WorkerRun, project: Project):
    assert not executes_the_plan(built(project, found), found)

"""The processes of runs in a real `dagster dev`: each builds the tables of its run, and no more."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dagster import DagsterRun, DagsterRunStatus, RunsFilter

from aggregation_pipeline_tests.support.dev import Dev, deployed_dev, make_orders
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]
# The masks of one entry hold for the others too, whatever a process builds.
CONFIG = """
    tables:
      ids: {table: orders, select_fields: [id], schedule: none}
      states: {table: orders, select_fields: [id, status], schedule: none, mask: {status: partial}}
      daily:
        table: orders
        select_fields: [id]
        partition: {column: created_at, every: day, start: 2026-11-01}
        schedule: none
      missing: {table: nowhere, select_fields: [id], schedule: "0 3 1 1 *"}
"""
LAUNCH = """mutation($job: String!, $assets: [AssetKeyInput!], $checks: [AssetCheckHandleInput!],
                 $tags: [ExecutionTag!]) {
    launchRun(executionParams: {
        selector: {repositoryLocationName: "aggregation_pipeline", repositoryName: "__repository__", jobName: $job,
                   assetSelection: $assets, assetCheckSelection: $checks},
        executionMetadata: {tags: $tags}}) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
AGAIN = """mutation($run: String!) {
    launchRunReexecution(reexecutionParams: {parentRunId: $run, strategy: FROM_FAILURE}) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
SNAPSHOTS = """query($run: ID!) { runOrError(runId: $run) { ... on Run { parentPipelineSnapshotId } }
    pipelineOrError(params: {pipelineName: "aggregate_by_hand", repositoryName: "__repository__",
                             repositoryLocationName: "aggregation_pipeline"}) { ... on Pipeline { pipelineSnapshotId } }
}"""
IDS = [["aggregation", "ids"], ["export", "ids_csv"], ["export", "ids_json"], ["export", "ids_manifest"]]


@pytest.fixture(scope="module")
def dev(mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path) -> Iterator[Dev]:
    source = make_orders(mariadb, ["(1, 'new', '2026-11-01 10:00:00')", "(2, 'paid', '2026-11-02 10:00:00')"])
    with deployed_dev(server_folder / "workers", CONFIG, source, postgres.fresh_database()) as found:
        found.environment = {**found.environment, "EXECUTOR": "multiprocess", "LOG_LEVEL": "DEBUG"}
        found.start()
        yield found


def ended(dev: Dev, answer: Any) -> DagsterRun:
    run_id = next(iter(answer["data"].values()))["run"]["runId"]
    wanted = RunsFilter(run_ids=[run_id])
    until("the end of the run", lambda: all(run.is_finished for run in dev.instance.get_runs(wanted)), said=dev.log)
    return dev.instance.get_runs(wanted)[0]


def launched(dev: Dev, job: str, **variables: Any) -> DagsterRun:
    return ended(dev, dev.ask(LAUNCH, job=job, **variables))


def built(dev: Dev, run: DagsterRun) -> list[str]:
    """What the processes of `run` say that they have built, the smallest first."""
    text = (dev.folder / "logs" / "combined.log").read_text(encoding="utf-8")
    return sorted(re.findall(f"run {run.run_id}: built (.* tables)", text))


def test_a_run_of_a_whole_job_builds_the_tables_of_the_job_and_each_step_its_own(dev: Dev):
    run = launched(dev, "aggregate_by_hand")
    assert (run.status, built(dev, run)) == (DagsterRunStatus.SUCCESS, [*2 * ["1 of 4 tables"], "2 of 4 tables"])


def test_a_run_of_one_table_builds_that_table_and_belongs_to_the_job_as_it_is_now(dev: Dev):
    """The UI warns where the snapshot of the run's job is not that of the job that is loaded."""
    run = launched(dev, "aggregate_by_hand", assets=[{"path": key} for key in IDS])
    found = dev.ask(SNAPSHOTS, run=run.run_id)["data"]
    assert found["runOrError"]["parentPipelineSnapshotId"] == found["pipelineOrError"]["pipelineSnapshotId"] is not None
    assert (run.status, built(dev, run)) == (DagsterRunStatus.SUCCESS, 2 * ["1 of 4 tables"])


def test_a_run_of_a_partition_builds_the_partitioned_table(dev: Dev):
    tags = [{"key": "dagster/partition", "value": "2026-11-01"}]
    run = launched(dev, "aggregate_daily_partitions_by_hand", tags=tags)
    assert (run.status, built(dev, run)) == (DagsterRunStatus.SUCCESS, 2 * ["1 of 4 tables"])
    assert dev.windows("daily") == ["2026-11-01"]


def test_a_run_of_one_check_builds_the_table_of_the_check(dev: Dev):
    check = {"assetKey": {"path": ["aggregation", "ids"]}, "name": "snapshot_held"}
    run = launched(dev, "__ASSET_JOB", assets=[], checks=[check])
    assert (run.status, built(dev, run)) == (DagsterRunStatus.SUCCESS, 2 * ["1 of 4 tables"])


def test_a_run_that_is_executed_again_from_its_failure_builds_the_tables_of_the_first(dev: Dev):
    assets = [{"path": key} for key in [*IDS, ["aggregation", "missing"], ["export", "missing_manifest"]]]
    failed = launched(dev, "__ASSET_JOB", assets=assets)
    again = ended(dev, dev.ask(AGAIN, run=failed.run_id))
    assert [run.status for run in (failed, again)] == 2 * [DagsterRunStatus.FAILURE]
    assert (built(dev, failed), built(dev, again)) == (3 * ["2 of 4 tables"], 2 * ["2 of 4 tables"])
    # The table that was done before is left alone.
    assert again.step_keys_to_execute == ["aggregate_missing"]


def test_a_run_over_something_else_builds_all_tables(dev: Dev):
    database = dev.environment["DB_NAME"]
    run = launched(dev, "__ASSET_JOB", assets=[{"path": ["mysql", database, "orders"]}])
    assert (run.status, built(dev, run)) == (DagsterRunStatus.SUCCESS, [])

"""Runs of several components, and of a deployment, in one Dagster storage: whose row each of them gets."""

from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus, Definitions

from aggregation_pipeline.batch_jobs.mirror import mirror_run, owner_of
from aggregation_pipeline_tests.support.host_project import HostProject, new_host
from aggregation_pipeline_tests.support.runs import EngineRepository, new_batch_jobs, open_instance, rows, tick
from aggregation_pipeline_tests.support.servers.handles import PostgresServer

COMPONENT = """
    type: aggregation_pipeline.AggregationComponent
    attributes:
      {more}
      batch_jobs: true
      tables:
        {table}: {{group_by: [status], aggregations: [{{function: COUNT, alias: n}}], schedule: none}}
    """
# `night` has a table of the same name as `shop`; `aggregate_crm` begins like an op,
# and has keys without a prefix, as `shop` has.
COMPONENTS = {
    "shop": COMPONENT.format(table="orders", more=""),
    "aggregate_crm": COMPONENT.format(table="users", more=""),
    "night": COMPONENT.format(table="orders", more="key_prefix: [night]\n      settings: {OSS_PREFIX: night}"),
}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostProject:
    found = new_host(tmp_path, monkeypatch, DB_HOST="127.0.0.1", DB_USER="nobody", DB_NAME="shop")
    for name, text in COMPONENTS.items():
        found.write(f"{name}/defs.yaml", text)
    return found


def failed_run(instance: DagsterInstance, definitions: Definitions, component: str) -> str:
    job = definitions.resolve_job_def(f"{component}_aggregate_by_hand")
    return instance.create_run_for_job(job, status=DagsterRunStatus.FAILURE).run_id


def test_each_component_records_its_own_runs_and_those_of_no_other(
    host: HostProject, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    url = postgres.fresh_database()
    monkeypatch.setenv("DAGSTER_PG_URL", url)
    definitions = host.load()
    with open_instance(url) as instance:
        runs = {failed_run(instance, definitions, name): name for name in COMPONENTS}
        engine = new_batch_jobs(url)
        for run_id in runs:
            repository, owner = EngineRepository(engine), owner_of(instance, "prod")
            outcome = mirror_run(
                instance, run_id, repository=repository, owner=owner, platforms={"orders": "orders"}, job_type="test"
            )
            assert outcome == "foreign", "a deployment beside them has a table of that name too"
        # The first one sees the runs of all.
        for name in reversed(COMPONENTS):
            sensor = definitions.get_repository_def().get_sensor_def(f"{name}_internal_batch_jobs_reconcile")
            tick(sensor, instance)
        found = {run_id: row.metadata["dagster"]["deployment"] for run_id, row in rows(engine).items()}
        assert found == runs
        engine.dispose()

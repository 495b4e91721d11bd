"""`runs: per_table`: a tick makes a run a table, each once, and what is still at work is left out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    RunRequest,
    ScheduleDefinition,
    SkipReason,
    build_schedule_context,
)

from aggregation_pipeline.automation.job_groups import groups_of
from aggregation_pipeline.automation.run_requests import launches, range_launches
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.instance.run_needs import NEEDS_METADATA, QUEUE_TAG
from aggregation_pipeline.launching.plan import LaunchRequest, plan
from aggregation_pipeline.project import Project, load_project
from aggregation_pipeline.runs.tags import LOGICAL_TIME_TAG, PARTITION_NAME_TAG, TICK_TAG, WINDOW_TAG
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.support.runs import ORIGIN

AT = datetime(2026, 11, 20, 18, tzinfo=UTC)  # 02:00 of the next day in Shanghai
TABLES = """
runs: per_table
tables:
  users: {}
  'odd name': {checks: {min_rows: 1}}
  small: {runs: per_tick}
  tiny: {runs: per_tick}
  orders: {partition: {column: created_at, every: day, start: 2026-11-01}}
  items: {partition: {column: created_at, every: day, start: 2026-11-01}}
"""


def project_of(folder: Path, text: str, **variables: Any) -> Project:
    path = folder / "aggregation.yaml"
    path.write_text(text, encoding="utf-8")
    url = "postgresql://nobody@127.0.0.1:1/none"
    return load_project(Settings(aggregation_config=path, dagster_pg_url=url, storage_dir=folder, **variables))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of(tmp_path, TABLES)


def tick(
    found: Definitions, instance: DagsterInstance, job: str = "aggregate", at: datetime = AT
) -> list[RunRequest] | SkipReason:
    definition = found.resolve_schedule_def(f"{job}_schedule")
    assert isinstance(definition, ScheduleDefinition)
    with build_schedule_context(
        instance=instance, scheduled_execution_time=at, repository_def=found.get_repository_def()
    ) as context:
        result = definition.evaluate_tick(context)
    return list(result.run_requests or []) or SkipReason(result.skip_message)


def tables(request: RunRequest) -> list[str]:
    return [key.path[1] for key in request.asset_selection or [] if key.path[0] == "aggregation"]


def test_a_tick_makes_a_run_a_table_and_one_of_the_rest(project: Project, instance: DagsterInstance):
    requests = tick(build_definitions(project), instance)
    assert isinstance(requests, list)
    assert [len(tables(request)) for request in requests] == [1, 1, 2]
    moment = "2026-11-20T18:00:00+00:00"
    assert [request.run_key for request in requests] == [f"{moment} users", f"{moment} odd name", moment]
    assert {request.tags[TICK_TAG] for request in requests} == {"aggregate 2026-11-20T18:00:00+00:00"}
    assert {(request.tags[LOGICAL_TIME_TAG], request.tags[WINDOW_TAG]) for request in requests} == {
        ("2026-11-20T18:00:00+00:00", "2026-11-21")
    }
    assert requests[0].asset_selection == [
        AssetKey(["aggregation", "users"]),
        AssetKey(["export", "users_json"]),
        AssetKey(["export", "users_manifest"]),
    ]
    # What Dagster is to execute of the job, checks included.
    job = build_definitions(project).resolve_job_def("aggregate")
    odd = job.get_subset(asset_selection=set(requests[1].asset_selection or []))
    (node,) = odd.nodes
    assert {name for name in node.definition.output_dict if "min_rows" in name}


def test_a_tick_over_partitions_makes_a_run_a_table_over_the_newest(project: Project, instance: DagsterInstance):
    requests = tick(build_definitions(project), instance, "aggregate_daily_partitions_at_0200")
    assert isinstance(requests, list)
    assert [(tables(request), request.partition_key) for request in requests] == [
        (["orders"], "2026-11-20"),
        (["items"], "2026-11-20"),
    ]
    assert len({request.run_key for request in requests}) == 2


def test_without_it_a_tick_is_as_it_was(tmp_path: Path, instance: DagsterInstance):
    requests = tick(build_definitions(project_of(tmp_path, "tables: {a: {}, b: {}}")), instance)
    assert isinstance(requests, list)
    (request,) = requests
    assert (request.run_key, request.asset_selection) == ("2026-11-20T18:00:00+00:00", None)
    assert TICK_TAG not in request.tags
    one = project_of(tmp_path, "runs: per_table\ntables: {a: {}}")
    requests = tick(build_definitions(one), instance)
    assert isinstance(requests, list)
    (request,) = requests
    assert (request.run_key, request.asset_selection) == ("2026-11-20T18:00:00+00:00 a", None)


def at_work(instance: DagsterInstance, found: Definitions, job: str, request: RunRequest) -> str:
    selection = None if request.asset_selection is None else frozenset(request.asset_selection)
    whole = found.resolve_job_def(job)
    tags = {**request.tags, **({PARTITION_NAME_TAG: request.partition_key} if request.partition_key else {})}
    run = instance.create_run_for_job(
        whole.get_subset(asset_selection=selection) if selection else whole,
        status=DagsterRunStatus.QUEUED,
        tags=tags,
        asset_selection=selection,
        remote_job_origin=ORIGIN.get_job_origin(job),
    )
    return run.run_id


def test_a_table_whose_last_run_is_at_work_is_left_out_and_the_others_run(project: Project, instance: DagsterInstance):
    found = build_definitions(project)
    first = tick(found, instance)
    assert isinstance(first, list)
    busy = at_work(instance, found, "aggregate", first[0])
    later = tick(found, instance, at=AT.replace(day=21))
    assert isinstance(later, list)
    assert [len(tables(request)) for request in later] == [1, 2]
    for request in later:
        at_work(instance, found, "aggregate", request)
    skipped = tick(found, instance, at=AT.replace(day=22))
    assert isinstance(skipped, SkipReason)
    assert f"Run {busy} of aggregate is not finished yet" in str(skipped.skip_message)


def test_a_run_over_the_whole_job_keeps_all_of_them_waiting(project: Project, instance: DagsterInstance):
    found = build_definitions(project)
    at_work(instance, found, "aggregate", RunRequest())
    assert isinstance(tick(found, instance), SkipReason)


def test_commands_and_requests_make_the_same_runs_as_a_tick(project: Project):
    groups = groups_of(project)
    asked = launches(groups, None, now=AT, tick=AT)
    assert [launch.names for launch in asked.runs] == [
        ["users"],
        ["odd name"],
        ["small", "tiny"],
        ["orders"],
        ["items"],
    ]
    by_hand = plan(project, LaunchRequest(), AT)
    assert [list(run.tables) for run in by_hand.runs] == [launch.names for launch in asked.runs]
    chosen = range_launches(groups, ["orders", "items"], "2026-11-03", "2026-11-04")
    assert [launch.names for launch in chosen] == [["orders"], ["items"]]


QUEUES = """
queues: [{tables: big_*, queue: heavy}, {tables: [users, nobody], queue: light}]
tables:
  users: {}
  big_orders: {}
  big_items: {queue: huge}
  big_events: {}
  small: {resources: {cpu: 2}}
"""
CELERY = {"runner": "celery", "celery_broker_url": "redis://:password@127.0.0.1:1/0", "storage_shared": True}


def test_tables_of_different_queues_are_runs_of_their_own(tmp_path: Path, instance: DagsterInstance, caplog):
    requests = tick(build_definitions(project_of(tmp_path, QUEUES, **CELERY)), instance)
    assert isinstance(requests, list)
    assert [(sorted(tables(request)), request.tags.get(QUEUE_TAG)) for request in requests] == [
        (["users"], "light"),
        (["big_events", "big_orders"], "heavy"),
        (["big_items"], "huge"),
        (["small"], None),
    ]
    assert len({request.run_key for request in requests}) == 4
    assert "queues: no table is called 'nobody'" in caplog.text
    assert "resources of tables has no effect with RUNNER=celery" in caplog.text


def test_without_workers_queues_divide_nothing_and_the_log_says_so(tmp_path: Path, instance: DagsterInstance, caplog):
    requests = tick(build_definitions(project_of(tmp_path, QUEUES)), instance)
    assert isinstance(requests, list)
    (request,) = requests
    assert (request.asset_selection, QUEUE_TAG in request.tags) == (None, False)
    assert "queue of tables has no effect with RUNNER=local, only with RUNNER=celery" in caplog.text


def test_what_a_table_needs_stands_at_its_asset_for_runs_that_others_launch(tmp_path: Path):
    graph = build_definitions(project_of(tmp_path, QUEUES, **CELERY)).resolve_asset_graph()
    stored = {
        name: graph.get(AssetKey(["aggregation", name])).metadata.get(NEEDS_METADATA) for name in ("users", "small")
    }
    assert stored == {"users": {"queue": "light"}, "small": None}

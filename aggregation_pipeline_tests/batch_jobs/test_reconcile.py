"""A pass of the reconciler compares all runs with all rows, whatever was missed before it."""

import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import (
    DagsterEventType,
    DagsterInstance,
    Definitions,
    RunRecord,
    RunsFilter,
    asset,
)

from aggregation_pipeline.batch_jobs import reconcile as reconcile_module
from aggregation_pipeline.batch_jobs.mirror import Outcome, mirror_runs, owner_of
from aggregation_pipeline.batch_jobs.reconcile import ReconcileResult, reconcile
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository, postgres_repository
from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline_tests.support.runs import (
    FakeTable,
    create,
    report,
    rows,
    run,
)

PLATFORMS = {"baidu": "baidu", "weibo": "weibo"}
BAIDU = FakeTable("baidu", 30)


@pytest.fixture
def clean(dagster_instance: DagsterInstance) -> DagsterInstance:
    """No runs of other tests: a pass looks at all there are."""
    dagster_instance.wipe()
    return dagster_instance


def one_pass(
    instance: DagsterInstance,
    engine: sa.Engine,
    *,
    watermark: datetime | None = None,
    mirror: Any = None,
    **options: Any,
) -> ReconcileResult:
    with postgres_repository(engine, 60) as rows:
        start = watermark or datetime.now(UTC) - timedelta(days=1)
        return reconcile(
            instance, rows, mirror or into(instance, rows), owner=owner_of(instance, "prod"), watermark=start, **options
        )


def into(instance: DagsterInstance, rows: BatchJobRepository) -> Any:
    return functools.partial(
        mirror_runs,
        instance,
        repository=rows,
        owner=owner_of(instance, "prod"),
        platforms=PLATFORMS,
        job_type="data_collection",
    )


def test_a_pass_leaves_alone_what_is_settled(
    clean: DagsterInstance, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reconcile_module, "SETTLING_TIME", timedelta(0))
    run(clean, [BAIDU])
    create(clean, [BAIDU], DagsterEventType.RUN_ENQUEUED)
    first = one_pass(clean, engine)
    second = one_pass(clean, engine, watermark=first.watermark)
    assert (first.written, second.looked_at, second.complete) == (2, 0, True)


def test_a_run_that_just_ended_is_read_again_because_events_may_be_committed_late(
    clean: DagsterInstance, engine: sa.Engine
):
    created = create(clean, [BAIDU], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS)
    done = one_pass(clean, engine)
    report(clean, created, DagsterEventType.STEP_START, step_key="aggregate_baidu")
    again = one_pass(clean, engine, watermark=done.watermark)
    assert (again.looked_at, again.written) == (1, 1)


def test_a_pass_stops_when_its_time_is_up_and_the_next_goes_on_from_there(
    clean: DagsterInstance, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reconcile_module, "_RUNS_AT_ONCE", 1)
    for _ in range(12):
        create(clean, [BAIDU], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS)
    newest = max(record.update_timestamp for record in clean.get_run_records())
    watermark = datetime.now(UTC) - timedelta(days=1)
    passes = 0
    while True:
        done = one_pass(clean, engine, watermark=watermark, budget=0.02)
        passes += 1
        assert done.watermark >= watermark
        watermark = done.watermark
        if done.complete or passes == 50:
            break
    assert (len(rows(engine)), watermark) == (12, newest)
    assert passes > 1


def test_a_run_that_cannot_be_recorded_does_not_stop_the_others_and_is_tried_again(
    clean: DagsterInstance, engine: sa.Engine
):
    bad, good = (
        create(clean, [BAIDU], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS).run_id for _ in range(2)
    )

    def mirror(records: Sequence[RunRecord]) -> Mapping[str, Outcome | Exception]:
        with postgres_repository(engine, 60) as rows:
            outcomes = into(clean, rows)([record for record in records if record.dagster_run.run_id != bad])
            return {**outcomes, bad: MirrorError("no such luck")}

    done = one_pass(clean, engine, mirror=mirror)
    assert (done.refused, set(rows(engine))) == ({bad: "no such luck"}, {good})
    later = datetime.now(UTC) + timedelta(days=1)
    assert one_pass(clean, engine, watermark=later, retry=list(done.refused)).refused == {}
    assert set(rows(engine)) == {good, bad}


def test_a_row_that_still_claims_to_be_open_is_closed_however_long_ago_its_run_ended(
    clean: DagsterInstance, engine: sa.Engine
):
    created = create(clean, [BAIDU], DagsterEventType.RUN_START)
    one_pass(clean, engine)
    report(clean, created, DagsterEventType.RUN_FAILURE)
    one_pass(clean, engine, watermark=datetime.now(UTC) + timedelta(days=1))
    assert rows(engine)[created.run_id].status == "failed"


def test_runs_of_other_peoples_assets_are_remembered_as_theirs(
    clean: DagsterInstance, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    @asset
    def theirs() -> None: ...

    run_id = (
        Definitions(assets=[theirs]).resolve_implicit_global_asset_job_def().execute_in_process(instance=clean).run_id
    )
    foreign: set[str] = set()
    one_pass(clean, engine, foreign=foreign)
    assert foreign == set(), "what a run plans is stored a moment after the run"
    monkeypatch.setattr(reconcile_module, "LATE_UPDATES", timedelta(0))
    assert (one_pass(clean, engine, foreign=foreign).looked_at, foreign) == (1, {run_id})
    assert one_pass(clean, engine, foreign=foreign).looked_at == 0
    assert rows(engine) == {}


def test_a_history_longer_than_a_page_is_read_to_its_end(
    clean: DagsterInstance, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reconcile_module, "_PAGE", 2)
    created = [
        create(clean, [BAIDU], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS).run_id for _ in range(5)
    ]
    assert one_pass(clean, engine).written == 5
    assert set(rows(engine)) == set(created)
    assert len(clean.get_run_records(RunsFilter(run_ids=created))) == 5


def test_a_run_that_is_deleted_in_dagster_closes_its_row_with_the_reason(clean: DagsterInstance, engine: sa.Engine):
    open_run = create(clean, [BAIDU, FakeTable("weibo")], DagsterEventType.RUN_START)
    report(clean, open_run, DagsterEventType.STEP_START, step_key="aggregate_baidu")
    ended = run(clean, [BAIDU])
    one_pass(clean, engine)
    clean.delete_run(open_run.run_id)
    clean.delete_run(ended)
    assert one_pass(clean, engine).closed == 1
    assert one_pass(clean, engine).closed == 0
    found = rows(engine)
    row = found[open_run.run_id]
    assert (row.status, row.metadata["dagster"]["status"], row.completed_at is not None) == ("failed", "DELETED", True)
    assert row.metadata["errors"][-1]["error"] == "The run was deleted in Dagster before it came to an end"
    assert {name: result["status"] for name, result in row.metadata["results"].items()} == {
        "baidu": "failed",
        "weibo": "skipped",
    }
    assert found[ended].status == "completed", "what had ended keeps its truth"


def test_more_refused_runs_than_are_remembered_hold_the_watermark(
    clean: DagsterInstance, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reconcile_module, "MAX_RETRIED_RUNS", 1)
    for _ in range(2):
        create(clean, [BAIDU], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS)

    def refuse(records: Sequence[RunRecord]) -> Mapping[str, Outcome | Exception]:
        return {record.dagster_run.run_id: MirrorError("no such luck") for record in records}

    start = datetime.now(UTC) - timedelta(days=1)
    done = one_pass(clean, engine, watermark=start, mirror=refuse)
    assert (len(done.refused), done.watermark, done.behind, done.lag_seconds > 0) == (2, start, 2, True)


def test_every_run_that_a_pass_had_no_time_for_is_counted(
    clean: DagsterInstance, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reconcile_module, "_PAGE", 4)
    monkeypatch.setattr(reconcile_module, "_RUNS_AT_ONCE", 1)
    for _ in range(10):
        create(clean, [BAIDU], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS)
    for _ in range(3):
        create(clean, [BAIDU], DagsterEventType.RUN_START)
    # One of the open runs and one of the ended are read, however short the time is.
    done = one_pass(clean, engine, budget=0)
    assert (done.complete, done.written, done.behind) == (False, 2, 2 + 9)
    watermark = done.watermark
    while not done.complete:
        done = one_pass(clean, engine, watermark=watermark, budget=5)
        watermark = done.watermark
    assert done.behind == 0

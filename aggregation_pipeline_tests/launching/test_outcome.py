"""What is said of a request: the state of its runs, then the result that `run --json` prints, made by one function."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from dagster import DagsterEventType, DagsterInstance

from aggregation_pipeline.launching import outcome
from aggregation_pipeline.launching.outcome import Outcome, outcome_of
from aggregation_pipeline.launching.plan import Plan, PlannedRun
from aggregation_pipeline.launching.requests import StoredRequest
from aggregation_pipeline.runs.tags import AUTO_RETRY_RUN_ID_TAG, REPLACED_RUN_TAG, WILL_RETRY_TAG
from aggregation_pipeline_tests.support.runs import FakeTable, create, open_instance, report, run

if TYPE_CHECKING:
    from datetime import timedelta


@pytest.fixture(scope="module")
def instance(dagster_database: str) -> Iterator[DagsterInstance]:
    with open_instance(dagster_database) as opened:
        yield opened


def fail(_context: Any) -> None:
    raise RuntimeError("password=hidden is refused")


def said(instance: DagsterInstance, *runs: tuple[str, tuple[str, ...]], is_submitted: bool = True) -> Outcome:
    planned = tuple(PlannedRun("aggregate", tables, (), {}, run_id=run_id) for run_id, tables in runs)
    stored = StoredRequest(
        UUID(int=1), "", Plan(planned, {"later": "no partition yet"}), datetime.now(UTC), is_submitted=is_submitted
    )
    return outcome_of(instance, stored, ["shop-secret"])


def test_a_request_has_the_sums_of_its_runs_once_all_have_ended(instance: DagsterInstance):
    first = run(instance, [FakeTable("users", 3)])
    waiting = create(instance, [FakeTable("orders", 4)], DagsterEventType.RUN_ENQUEUED)
    found = said(instance, (first, ("users",)), (waiting.run_id, ("orders",)))
    assert (found.status, [each.status for each in found.runs]) == ("in_progress", ["completed", "pending"])
    assert found.result is None
    second = run(instance, [FakeTable("orders", 4)])
    found = said(instance, (first, ("users",)), (second, ("orders",)))
    assert (found.status, found.error) == ("completed", None)
    assert found.result is not None
    printed = found.result.to_dict()
    assert printed["total_items"] == 7
    assert {name: (table["status"], table["items"]) for name, table in printed["tables"].items()} == {
        "later": ("skipped", 0),
        "users": ("completed", 3),
        "orders": ("completed", 4),
    }
    assert [file["table"] for file in printed["files"]] == ["users", "orders"]


def test_a_failed_table_says_why_without_secrets(instance: DagsterInstance):
    found = said(
        instance, (run(instance, [FakeTable("users", 3), FakeTable("orders", action=fail)]), ("users", "orders"))
    )
    assert found.status == "failed"
    assert found.error is not None
    assert "orders: " in found.error
    assert "hidden" not in f"{found}"
    assert found.result is not None
    assert found.result.tables["users"].status == "completed"


def test_a_run_that_never_began_says_why_and_so_does_one_that_was_cancelled_or_deleted(instance: DagsterInstance):
    cancelled = create(instance, [FakeTable("users")], DagsterEventType.RUN_ENQUEUED)
    instance.report_run_canceled(cancelled)
    gone = str(uuid4())
    found = said(instance, (cancelled.run_id, ("users",)), (gone, ("orders",)))
    assert found.status == "failed"
    assert found.error == (f"Run {cancelled.run_id} was cancelled, or ended without an error\nRun {gone} was deleted")
    assert said(instance, (gone, ("users",)), is_submitted=False).status == "pending"


def test_a_run_that_took_the_place_of_a_lost_one_counts_for_it(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    lost = create(instance, [FakeTable("users")], DagsterEventType.RUN_ENQUEUED)
    report(instance, lost, DagsterEventType.RUN_FAILURE, message="the code server went away")
    assert said(instance, (lost.run_id, ("users",))).status == "pending", "it may be replaced yet"
    other = run(instance, [FakeTable("users", 5)], tags={REPLACED_RUN_TAG: lost.run_id})
    instance.add_run_tags(lost.run_id, {WILL_RETRY_TAG: "true", AUTO_RETRY_RUN_ID_TAG: other})
    found = said(instance, (lost.run_id, ("users",)))
    assert (found.status, found.runs[0].run_id) == ("completed", other)
    alone = create(instance, [FakeTable("users")], DagsterEventType.RUN_ENQUEUED)
    report(instance, alone, DagsterEventType.RUN_FAILURE, message="the code server went away")
    no_time: timedelta = outcome._REPLACED_WITHIN * 0
    monkeypatch.setattr(outcome, "_REPLACED_WITHIN", no_time)
    found = said(instance, (alone.run_id, ("users",)))
    assert (found.status, found.error) == ("failed", "the code server went away")

"""Events of runs in Dagster's storage on PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import AssetMaterialization, DagsterEvent, DagsterInstance, EventLogEntry, MetadataValue, serialize_value
from dagster import DagsterEventType as Did
from dagster._core.events import StepMaterializationData

from aggregation_pipeline.batch_jobs.projection import project
from aggregation_pipeline.runs.event_log import run_events
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.runs.run_records import run_info
from aggregation_pipeline.runs.stored_metadata import stored_metadata
from aggregation_pipeline_tests.support.runs import FakeTable, create, open_instance, report


@pytest.fixture(scope="module")
def instance(postgres: Any) -> Iterator[DagsterInstance]:
    with open_instance(postgres.fresh_database()) as opened:
        yield opened


def test_a_run_that_goes_back_into_the_queue_stays_pending_and_its_versions_grow(instance: DagsterInstance):
    # As a run does every minute while the code server is away.
    run = create(instance, [FakeTable("users", 3)])
    rows = []
    for event in [Did.RUN_ENQUEUED, *[Did.RUN_STARTING, Did.RUN_ENQUEUED] * 3]:
        report(instance, run, event)
        record = instance.get_run_record_by_id(run.run_id)
        events = run_events(instance, run.run_id, {"users": "users"})
        assert record is not None
        assert events is not None
        rows.append(
            project(
                run_info(record),
                events,
                owner=Owner("test", "here"),
                job_type="data_collection",
                platforms={"users": "users"},
            )
        )
    assert {(row.status, row.started_at, row.completed_at) for row in rows} == {("pending", None, None)}
    versions = [row.metadata["dagster"]["version"] for row in rows]
    assert versions == sorted(versions)
    assert len({str(version) for version in versions}) == len(rows)


FIGURES: dict[str, Any] = {
    "aggregation/table": '订单 "orders" \\ 😀',
    "aggregation/items": 2**62,
    "aggregation/seconds": 0.1 + 0.2,
    "aggregation/stage_seconds": {"read": 0.1, "publish": 2.5},
    "aggregation/bytes": 0,
    "aggregation/files": [{"uri": "file:///a b", "rows": 1, "crc64": "9223372036854775808", "size": None, "x": [1.5]}],
}


@pytest.mark.parametrize("known", [True, False])
def test_a_manifests_figures_are_read_as_dagster_reads_them(known: bool, monkeypatch: pytest.MonkeyPatch):
    """Also where Dagster stores them in a way that is not known here."""
    if not known:
        monkeypatch.setattr("aggregation_pipeline.runs.stored_metadata._PLAIN_METADATA", {})
    metadata = {**FIGURES, "dagster/row_count": 7, "links": MetadataValue.md("[a](b)"), "none": MetadataValue.null()}
    made = AssetMaterialization("orders", metadata=metadata)
    event = DagsterEvent(Did.ASSET_MATERIALIZATION.value, "a job", event_specific_data=StepMaterializationData(made))
    entry = EventLogEntry(None, 20, "", "a run", 0.0, dagster_event=event)  # type: ignore[no-untyped-call]
    stored = serialize_value(entry)
    found = stored_metadata(stored)
    assert found == FIGURES
    assert {key: value.value for key, value in made.metadata.items() if key in found} == found

"""What passes by itself is tried again, and only what is still to be done; what would fail again is not."""

import dataclasses

import pytest
from dagster import DagsterEventType, ExecuteInProcessResult

from aggregation_pipeline.assets import retries
from aggregation_pipeline.assets.keys import manifest_key
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.errors import PipelineError, SettingsError, SourceLostError
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline_tests.support.shop import DAYS, Shop, failure_message, latest_metadata, partition_range


def run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, failing: dict[int, PipelineError]
) -> tuple[ExecuteInProcessResult, list[int]]:
    """Run four days from a database that fails at these calls."""
    monkeypatch.setattr(retries, "seconds_to_wait", lambda _retry_number: 0.05)
    project = shop.project()
    calls: list[int] = []

    def source() -> SourceOptions:
        calls.append(len(calls) + 1)
        if error := failing.get(calls[-1]):
            raise error
        return project.tables[0].source()

    flaky = dataclasses.replace(project, tables=(dataclasses.replace(project.tables[0], source=source),))
    job = build_definitions(flaky).resolve_job_def("aggregate_daily_partitions_at_0200")
    return job.execute_in_process(
        instance=shop.instance, raise_on_error=False, tags=partition_range(DAYS[0], DAYS[3])
    ), calls


def test_a_server_that_goes_away_in_the_middle_costs_only_the_windows_that_are_still_to_be_done(shop, monkeypatch):
    result, calls = run(shop, monkeypatch, {3: SourceLostError("gone"), 4: SourceLostError("still gone")})
    assert result.success
    # Two days, the third in vain, in vain again, then the third and the fourth; at last a glance at the table as a
    # whole.
    assert len(calls) == 7
    assert shop.windows() == DAYS[:4]
    assert len([event for event in result.all_events if event.event_type == DagsterEventType.STEP_UP_FOR_RETRY]) == 2
    described = latest_metadata(shop, manifest_key("orders"))
    assert {key: one["aggregation/items"] for key, one in described.items()} == dict.fromkeys(DAYS[:4], 5)
    assert [described[day]["aggregation/attempt"] for day in DAYS[:4]] == [1, 1, 3, 3]


def test_what_would_fail_again_is_not_tried_again(shop, monkeypatch):
    result, calls = run(shop, monkeypatch, {2: SettingsError("DB_HOST is not set")})
    assert not result.success
    assert len(calls) == 4
    assert shop.windows() == [DAYS[0], *DAYS[2:4]]
    assert failure_message(result).startswith(f"1 of its partitions failed: {DAYS[1]}\n{DAYS[1]}: DB_HOST is not set")


def test_a_server_that_stays_away_is_not_asked_for_every_window(shop, monkeypatch):
    result, calls = run(shop, monkeypatch, {number: SourceLostError("gone") for number in range(1, 20)})
    assert not result.success
    # Once for each of the first attempts, three times on the last.
    assert len(calls) == 5
    assert failure_message(result).endswith("1 more were not tried, because the fault is not theirs")

"""Late rows, on real servers: exactly the partitions that got them run again, and publish them."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from dagster import DagsterRunStatus, RunsFilter

from aggregation_pipeline.export.publishing import publish
from aggregation_pipeline.runs.tags import REFRESH_TAG
from aggregation_pipeline_tests.automation.refreshed_shop import DAYS, JOB, Sensor, late, published_sensor, window
from aggregation_pipeline_tests.support.servers.chosen import once
from aggregation_pipeline_tests.support.shop import Shop, partition_range


@pytest.fixture
def sensor(shop: Shop) -> Sensor:
    return published_sensor(shop)


def test_exactly_the_partitions_that_got_late_rows_run_again_and_publish_them(sensor: Sensor, shop: Shop):
    assert sensor.ask() == []
    assert "1 tables asked, no partition to run again" in sensor.skipped
    # The first lies before the look-back; the last two follow each other, so they share a run.
    shop.execute(*(late(day, 900 + place) for place, day in enumerate((DAYS[0], DAYS[2], DAYS[4], DAYS[5]))))
    assert sensor.ask(later=False) == [], "before its turn no table is asked"
    requests = sensor.ask()
    assert [window(request) for request in requests] == [DAYS[2], f"{DAYS[4]}..{DAYS[5]}"]
    assert [request.tags[REFRESH_TAG] for request in requests] == ["orders", "orders"]
    sensor.launch(requests)
    assert [sensor.rows(day) for day in DAYS] == [3, 3, 4, 3, 4, 4]
    assert sensor.ask() == []
    shop.execute("DELETE FROM orders WHERE id = 902")
    sensor.launch(sensor.ask())
    assert [sensor.rows(day) for day in DAYS] == [3, 3, 4, 3, 3, 4]
    assert sensor.ask() == []


@once
def test_a_late_row_in_any_shard_runs_its_partition_again(sensor: Sensor, shop: Shop):
    shop.execute("RENAME TABLE orders TO orders_0", "CREATE TABLE orders_1 LIKE orders_0")
    sensor.configure(keys='table: "orders_{0..1}"')
    assert sensor.run(tags=partition_range(DAYS[0], DAYS[-1]))
    assert sensor.ask() == []
    shop.execute(late(DAYS[3]).replace("orders", "orders_1"), late(DAYS[5], 901).replace("orders", "orders_0"))
    requests = sensor.ask()
    assert [window(request) for request in requests] == [DAYS[3], DAYS[5]]
    sensor.launch(requests)
    assert [sensor.rows(day) for day in DAYS] == [3, 3, 3, 4, 3, 4]
    shop.execute("DROP TABLE orders_1")
    assert sensor.ask() == []
    assert "there is no orders_1, or DB_USER may not read it" in sensor.known.problem


@once
def test_a_row_that_comes_after_the_snapshot_and_before_the_manifest_is_noticed(
    sensor: Sensor, shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    shop.execute(late(DAYS[3]))

    def publish_later(*arguments: Any, **options: Any) -> Any:
        shop.execute(late(DAYS[3], 901))
        monkeypatch.undo()
        return publish(*arguments, **options)

    monkeypatch.setattr("aggregation_pipeline.export.window.publish", publish_later)
    sensor.launch(sensor.ask())
    assert sensor.rows(DAYS[3]) == 4
    sensor.launch(sensor.ask())
    assert sensor.rows(DAYS[3]) == 5
    assert sensor.ask() == []


@pytest.mark.slow
@once
def test_what_was_published_without_a_key_or_under_another_is_run_once_more_and_slowly(sensor: Sensor, shop: Shop):
    before = shop.manifest(DAYS[-1])
    sensor.configure(keys="where: id >= 0")
    seen = []
    for _ in range(4):
        requests = sensor.ask()
        seen += [window(request) for request in requests]
        sensor.launch(requests)
    assert seen == DAYS[2:]
    assert sensor.ask() == []
    after = shop.manifest(DAYS[-1])
    assert before is not None
    assert after is not None
    # The files are those that were there.
    assert (after.files, after.publication != before.publication) == (before.files, True)


@once
def test_a_partition_that_was_never_published_is_left_to_its_schedule_and_to_catch_up(sensor: Sensor, shop: Shop):
    (shop.folder / "exports" / "orders" / DAYS[3] / "manifest.json").unlink()
    shop.execute(late(DAYS[3]))
    assert sensor.ask() == []
    (shop.folder / "exports" / "orders" / DAYS[4] / "manifest.json").write_text("{}")
    assert sensor.ask() == []


@once
def test_two_ticks_that_find_the_same_ask_for_the_same_runs_which_dagster_launches_once(sensor: Sensor, shop: Shop):
    """Two daemons, or one that was killed between launching and keeping its cursor."""
    shop.execute(late(DAYS[2]), late(DAYS[4], 901), late(DAYS[5], 902))
    cursor = sensor.cursor
    one = {request.run_key for request in sensor.ask()}
    sensor.cursor = cursor
    assert {request.run_key for request in sensor.ask()} == one
    assert len(one) == 2
    # What comes later is another state, also one that there was before.
    sensor.launch(sensor.ask())
    shop.execute("DELETE FROM orders WHERE id = 900")
    back = sensor.ask()
    sensor.launch(back)
    shop.execute(late(DAYS[2]))
    keys = {request.run_key for request in (*back, *sensor.ask())}
    assert len(keys) == 2
    assert keys.isdisjoint(one)


@once
def test_a_partition_that_a_run_is_going_to_write_is_not_launched_again(sensor: Sensor, shop: Shop):
    shop.execute(late(DAYS[2]), late(DAYS[4], 901))
    job = sensor.definitions.resolve_job_def(JOB)
    run = shop.instance.create_run_for_job(
        job,
        status=DagsterRunStatus.NOT_STARTED,
        tags=partition_range(DAYS[3], DAYS[5]),
    )
    assert sensor.windows() == [DAYS[2]]
    shop.instance.delete_run(run.run_id)
    assert sensor.windows() == [DAYS[2], DAYS[4]]


@pytest.mark.slow
@once
def test_a_partition_that_always_fails_is_tried_after_longer_and_longer_pauses_alone_and_not_for_ever(
    sensor: Sensor, shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    sensor.configure(keys="checks: {max_rows: 4, blocking: true}")
    shop.execute(*(late(DAYS[4], 900 + number) for number in range(2)), late(DAYS[5], 910))
    sensor.launch(sensor.ask())
    assert [sensor.rows(day) for day in DAYS[4:6]] == [3, 4]
    # It failed a moment ago.
    assert sensor.ask() == []
    clock = Clock(monkeypatch)
    pauses = []
    for _ in range(5):
        hours = next(hours for hours in range(1, 30) if clock.forward(hours=1) and (requests := sensor.ask()))
        pauses.append(hours)
        assert [window(request) for request in requests] == [DAYS[4]]
        sensor.launch(requests)
        clock.ended()
    assert pauses == [1, 2, 4, 8, 16]
    clock.forward(hours=30)
    assert sensor.ask() == []
    assert re.search(rf"runs over {DAYS[4]} failed again and again", sensor.skipped)
    # Once its rows change again, once more.
    shop.execute("UPDATE orders SET n = 7, updated_at = NOW(6) WHERE id = 900")
    assert sensor.windows() == [DAYS[4]]
    shop.execute("DELETE FROM orders WHERE id = 901")
    sensor.launch(sensor.ask())
    assert sensor.rows(DAYS[4]) == 4
    assert (sensor.ask(), sensor.known.problem) == ([], "")
    assert len(shop.instance.get_runs(RunsFilter(tags={REFRESH_TAG: "orders"}))) == 7


class Clock:
    """The sensor's clock, put forward. Look-back is longer than that."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta()
        clock = self

        class Later:
            @staticmethod
            def now(zone: Any = None) -> datetime:
                return datetime.now(zone) + clock.ahead

        monkeypatch.setattr("aggregation_pipeline.automation.refresh.datetime", Later)

    def forward(self, **by: float) -> bool:
        self.ahead += timedelta(**by)
        return True

    def ended(self) -> None:
        self.ahead = timedelta()


@once
def test_what_cannot_be_asked_is_said_once_and_other_tables_go_on(
    sensor: Sensor, shop: Shop, caplog: pytest.LogCaptureFixture
):
    shop.execute("ALTER TABLE orders DROP KEY by_day")
    for _ in range(2):
        assert sensor.ask() == []
        assert "no index leads to the rows of a partition by created_at" in sensor.skipped
    sensor.configure(more=", allow_scan: true")
    shop.execute(late(DAYS[3]))
    assert sensor.windows() == [DAYS[3]]
    assert sensor.known.problem == ""
    shop.execute("RENAME TABLE orders TO away")
    assert sensor.ask() == []
    assert "orders" in sensor.known.problem


@once
def test_more_than_a_run_takes_and_more_than_a_tick_launches_is_launched_bit_by_bit(sensor: Sensor, shop: Shop):
    sensor.configure(keys="backfill: {partitions_per_run: 1}")
    shop.execute(*(late(day, 900 + place) for place, day in enumerate(DAYS)))
    assert sensor.windows() == DAYS[2:]

"""Which partitions are looked at, which of them are launched, and how a tick of the sensor stays within its bounds."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.partitions import partitions_of
from aggregation_pipeline.automation import refresh
from aggregation_pipeline.automation.job_groups import Group
from aggregation_pipeline.automation.refresh import MOST_RUNS, RefreshTick
from aggregation_pipeline.automation.refresh_windows import (
    MOST_PARTITIONS,
    MOST_TRIES,
    Choice,
    Due,
    Published,
    Tries,
    choose,
    due_partitions,
    ranges_in,
)
from aggregation_pipeline.automation.refreshed_tables import RefreshedTable
from aggregation_pipeline.config.partitions import Partition
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.runs.refresh_cursor import RefreshCursor
from aggregation_pipeline.runs.tags import REFRESH_TAG

NOW = datetime(2026, 11, 2, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def looked_at(look_back: str, *, now: datetime = NOW, zone: str = "America/New_York", **keys: Any) -> list[str]:
    partition = Partition.model_validate({"column": "t", "every": "day", "start": "2026-01-01", **keys})
    return [each.key for each in ranges_in(partition, partitions_of(partition, ZoneInfo(zone)), look_back, now)]


def test_what_ended_within_the_look_back_is_looked_at_whatever_the_clocks_do():
    assert looked_at("3d") == ["2026-10-30", "2026-10-31", "2026-11-01"]
    assert looked_at("3d", end_offset=1) == ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02"]
    assert looked_at("3d", end_offset=-1) == ["2026-10-30", "2026-10-31"]
    assert looked_at("1h", start="2026-11-02") == []
    # Nothing before the first partition, also if its start is within the first day.
    assert looked_at("30d", start="2026-10-30") == ["2026-10-30", "2026-10-31", "2026-11-01"]
    assert looked_at("30d", start="2026-10-30", every="week") == []
    assert looked_at("60d", every="month") == ["2026-09-01", "2026-10-01"]
    # 01:00 comes twice, at -0400 and at -0500.
    assert looked_at("4h", every="hour", now=datetime(2026, 11, 1, 8, 30, tzinfo=UTC)) == [
        "2026-11-01-00:00",
        "2026-11-01-01:00",
        "2026-11-01-01:00-0500",
        "2026-11-01-02:00",
    ]


def test_a_partition_is_due_if_its_key_moved_or_is_not_known_and_it_is_published():
    keys = {"1": "m a", "2": "m b", "3": "m c", "4": "m d", "5": "m e"}
    published = {
        "1": Published("p1", "m a"),
        "2": Published("p2", "m x"),
        "3": Published("p3", ""),
        "4": Published("p4", "other d"),
    }
    assert [(due.key, due.is_known) for due in due_partitions(keys, published)] == [
        ("2", True),
        ("3", False),
        ("4", False),
    ]
    # The state is that of both: what is published, and the rows.
    states = {
        due_partitions({"1": now}, {"1": Published(publication, "m a")})[0].state
        for now in ("m b", "m c")
        for publication in ("p1", "p2")
    }
    assert len(states) == 4


def chosen(due: list[Due], **options: Any) -> Choice:
    order = [f"{number:03}" for number in range(200)]
    given: dict[str, Any] = {"busy": (), "tries": {}, "every": HOUR, "now": NOW}
    return choose(due, order, **(given | options))


def dues(*numbers: int, known: bool = True) -> list[Due]:
    return [Due(f"{number:03}", f"s{number}", known) for number in numbers]


def keys(choice: Choice) -> list[list[str]]:
    return [[each.key for each in stretch] for stretch in choice.stretches]


def test_partitions_that_follow_each_other_go_together_the_oldest_first():
    assert keys(chosen(dues(3, 4, 6, 9, 10))) == [["003", "004"], ["006"], ["009", "010"]]
    assert keys(chosen(dues(3, 4, 5), busy={"004"})) == [["003"], ["005"]]
    many = chosen(dues(*range(100)))
    assert keys(many) == [[f"{number:03}" for number in range(MOST_PARTITIONS)]]
    assert many.waiting == 100 - MOST_PARTITIONS


def test_what_is_not_known_comes_after_what_moved_and_a_few_at_a_time():
    choice = chosen([*dues(*range(20), known=False), *dues(30)])
    assert keys(choice) == [[f"{number:03}" for number in range(200 // 24)], ["030"]]
    assert (choice.unknown, choice.waiting) == (20 - 200 // 24, 0)


@pytest.mark.parametrize(("count", "pause"), [(1, HOUR), (2, 2 * HOUR), (4, 8 * HOUR), (30, timedelta(days=1))])
def test_a_partition_that_failed_waits_longer_each_time_and_goes_alone(count: int, pause: timedelta):
    tries = {"004": Tries(NOW - pause + timedelta(seconds=1), count, 0)}
    assert keys(chosen(dues(3, 4, 5), tries=tries)) == [["003"], ["005"]]
    tries = {"004": Tries(NOW - pause, count, 0)}
    assert keys(chosen(dues(3, 4, 5), tries=tries)) == [["003"], ["004"], ["005"]]
    # It ended by a clock that was ahead.
    assert keys(chosen(dues(4), tries={"004": Tries(NOW + pause, count, 0)})) == [["004"]]
    tries = {"004": Tries(NOW - pause, count, MOST_TRIES)}
    assert keys(chosen(dues(3, 4, 5), tries=tries)) == [["003"], ["005"]]
    assert chosen(dues(3, 4, 5), tries=tries).given_up == ["004"]


def test_what_rests_after_a_failure_is_counted_and_what_a_run_writes_is_not():
    later = Tries(NOW, 1, 0)
    choice = chosen(dues(3, 4, 5), tries={"004": later, "005": later}, busy={"005"})
    assert (keys(choice), choice.paused, choice.waiting, choice.windows) == ([["003"]], 1, 0, 200)


class Ticks:
    """Ticks over many tables, whose answers are given."""

    def __init__(self, names: list[str], caplog: pytest.LogCaptureFixture) -> None:
        self.tables = [self.table(name) for name in names]
        self.answers: dict[str, Choice | Exception] = {}
        self.cursor: str | None = None
        self.asked: list[str] = []
        self.caplog = caplog

    def table(self, name: str) -> RefreshedTable:
        partition = {"column": "t", "every": "day", "start": "2026-01-01"}
        entry = TableEntry.model_validate(
            {
                "name": name,
                "partition": partition,
                "refresh": {"look_back": "14d", "key": "COUNT(*)"},
                "backfill": {"partitions_per_run": 2},
            }
        )
        assert entry.partition is not None
        definition = partitions_of(entry.partition, ZoneInfo("UTC"))
        table = ConfiguredTable(entry, ("csv",), cast("Any", None), name[0], ZoneInfo("UTC"), definition)
        return RefreshedTable(table, Group("job", (table,), (), ZoneInfo("UTC"), definition))

    def run(self, now: datetime = NOW) -> Any:
        def look(_instance: object, table: RefreshedTable, _now: datetime, _seconds: float) -> Choice:
            self.asked.append(table.name)
            answer = self.answers.get(table.name, Choice(()))
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.asked.clear()
        self.caplog.clear()
        log = logging.getLogger("refresh of tests")
        result = RefreshTick(cast("Any", None), RefreshCursor.read(self.cursor), look, log).run(self.tables, now)
        self.cursor = result.cursor
        return result


@pytest.fixture
def ticks(caplog: pytest.LogCaptureFixture) -> Ticks:
    return Ticks(["a1", "a2", "b1", "b2"], caplog)


def test_each_table_is_asked_once_in_its_interval(ticks: Ticks):
    ticks.run()
    assert ticks.asked == ["a1", "a2", "b1", "b2"]
    ticks.run(NOW + timedelta(minutes=59))
    assert ticks.asked == []
    ticks.run(NOW + HOUR)
    assert ticks.asked == ["a1", "a2", "b1", "b2"]
    # The clock was ahead, and has been set right.
    ticks.run(NOW - HOUR)
    assert ticks.asked == ["a1", "a2", "b1", "b2"]


def test_a_tick_ends_in_time_and_the_next_one_goes_on(ticks: Ticks, monkeypatch: pytest.MonkeyPatch):
    class Clock:
        seconds = 0.0

        @classmethod
        def monotonic(cls) -> float:
            cls.seconds += 17.0
            return cls.seconds

    monkeypatch.setattr(refresh, "time", Clock)
    seen = []
    for minute in range(4):
        ticks.run(NOW + timedelta(minutes=minute))
        seen.append(list(ticks.asked))
    assert [name for asked in seen for name in asked] == ["a1", "a2", "b1", "b2"]
    assert max(map(len, seen)) < 3


def test_a_server_that_is_away_is_asked_once_a_tick_and_said_once(ticks: Ticks):
    away = SourceLostError("MySQL at db: it does not answer")
    ticks.answers = {"a1": away, "a2": away}
    ticks.run()
    # Both are in the database a.
    assert ticks.asked == ["a1", "b1", "b2"]
    assert [record.message for record in ticks.caplog.records] == ["a1: MySQL at db: it does not answer"]
    result = ticks.run(NOW + timedelta(minutes=1))
    assert len(ticks.asked) == 1
    assert "it does not answer" in result.skip_reason.skip_message
    ticks.answers = {}
    ticks.run(NOW + timedelta(minutes=2))
    ticks.run(NOW + timedelta(minutes=3))
    assert RefreshCursor.read(ticks.cursor).problems == {}


def test_what_is_refused_is_said_once_and_asked_at_its_next_turn(ticks: Ticks):
    ticks.answers = {"a1": SourceError("refresh.key: no index")}
    ticks.run()
    assert ticks.asked == ["a1", "a2", "b1", "b2"]
    ticks.run(NOW + timedelta(minutes=1))
    assert ticks.asked == []
    ticks.run(NOW + HOUR)
    assert "a1" in ticks.asked
    assert ticks.caplog.records == []


def test_runs_are_bounded_over_all_tables_and_the_rest_comes_at_the_next_tick(ticks: Ticks):
    days = [f"2026-10-{day:02}" for day in range(1, 31)]
    every_other = Choice([[Due(day, day, is_known=True)] for day in days[::2]])
    ticks.answers = {"a1": every_other, "a2": every_other, "b1": Choice((), waiting=3)}
    result = ticks.run()
    requests = result.run_requests
    assert len(requests) == MOST_RUNS
    assert [request.tags[REFRESH_TAG] for request in requests] == ["a1"] * 15 + ["a2"] * 5
    assert [request.partition_key for request in requests[:2]] == ["2026-10-01", "2026-10-03"]
    ticks.run(NOW + timedelta(minutes=1))
    # Those that were not asked come first, and those with something left.
    assert ticks.asked[:3] == ["b1", "b2", "a2"]


def test_windows_that_wait_are_counted_and_told_with_since_when(ticks: Ticks):
    days = [Due(f"2026-10-{day:02}", f"s{day}", is_known=True) for day in range(1, 31)]
    ticks.caplog.set_level(logging.INFO)
    # 15 runs of two days each, and five of one.
    ticks.answers = {"a1": Choice([days], windows=30), "a2": Choice([[day] for day in days[::2]], windows=30)}
    ticks.run()
    known = RefreshCursor.read(ticks.cursor)
    assert (known.of("a1").launched, known.of("a1").waiting, known.of("a1").since) == (30, 0, None)
    assert (known.of("a2").launched, known.of("a2").waiting, known.of("a2").since) == (5, 10, NOW)
    assert [record.message for record in ticks.caplog.records] == [
        "a1: of 30 windows 30 are launched again, in 15 runs, and 0 wait",
        "a2: of 30 windows 5 are launched again, in 5 runs, and 10 wait",
    ]
    ticks.answers = {"a2": Choice((), windows=30, paused=2)}
    result = ticks.run(NOW + timedelta(minutes=1))
    assert result.skip_reason.skip_message == ("3 tables asked, no partition to run again. Windows that wait: a2 2")
    known = RefreshCursor.read(ticks.cursor)
    assert (known.of("a2").since, known.of("a2").again) == (NOW, False)
    # A server that does not answer changes nothing of it.
    ticks.answers = {"a2": SourceLostError("it does not answer")}
    ticks.run(NOW + HOUR)
    assert (RefreshCursor.read(ticks.cursor).of("a2").waiting, RefreshCursor.read(ticks.cursor).of("a2").since) == (
        2,
        NOW,
    )
    ticks.answers = {}
    ticks.run(NOW + 2 * HOUR)
    assert RefreshCursor.read(ticks.cursor).of("a2").since is None


def test_a_stretch_becomes_as_many_runs_as_the_entry_says(ticks: Ticks):
    due = [Due(f"2026-10-0{day}", f"s{day}", is_known=True) for day in range(1, 6)]
    made = list(refresh.run_requests(ticks.tables[0], Choice([due])))
    requests = [request for request, _ in made]
    assert [size for _, size in made] == [2, 2, 1]
    ends = [
        (
            request.partition_key,
            request.tags.get("dagster/asset_partition_range_start"),
            str(request.run_key).split()[1],
        )
        for request in requests
    ]
    assert ends == [
        (None, "2026-10-01", "2026-10-01..2026-10-02"),
        (None, "2026-10-03", "2026-10-03..2026-10-04"),
        ("2026-10-05", None, "2026-10-05"),
    ]


def test_a_cursor_of_no_use_counts_as_none():
    for text in ("", "x", "[]", '{"a": 1}', '{"a": {"other": 1}}', '{"a": {"at": "never"}}'):
        assert RefreshCursor.read(text).of("a").at is None

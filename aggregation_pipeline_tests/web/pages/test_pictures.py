"""Numbers and lengths of time in both languages, and where the parts of pictures are."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aggregation_pipeline.batch_jobs.buckets import Counts
from aggregation_pipeline.overview.history import Day, Hours
from aggregation_pipeline.overview.usual import Usual
from aggregation_pipeline.web.pages.charts import HEIGHT, history, nice_top
from aggregation_pipeline.web.pages.formats import Formats
from aggregation_pipeline.web.pages.hours import grid
from aggregation_pipeline_tests.web.pages.mornings import NOW, ZONE, hours

EN, ZH = Formats("en", ZONE, NOW), Formats("zh", ZONE, NOW)


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        (None, "–", "–"),
        (0.001, "0 s", "0 秒"),
        (0.25, "0.25 s", "0.25 秒"),
        (9.25, "9.2 s", "9.2 秒"),
        (59.6, "60 s", "60 秒"),
        (61, "1 min 1 s", "1 分 1 秒"),
        (7200, "2 h", "2 小时"),
        (93_600, "1 d 2 h", "1 天 2 小时"),
    ],
)
def test_lengths_of_time_have_two_units(value: float | None, english: str, chinese: str):
    assert (EN.seconds(value), ZH.seconds(value)) == (english, chinese)


def test_what_is_past_is_told_in_words():
    assert [EN.ago(value) for value in (None, 0.2, 90)] == ["–", "just now", "1 min 30 s ago"]
    assert [ZH.ago(value) for value in (0.2, 90)] == ["刚刚", "1 分 30 秒前"]
    assert (EN.since(None), EN.since(NOW + timedelta(hours=1))) == (None, 0.0)


def test_numbers_are_grouped_and_sizes_have_units():
    assert (EN.number(1_234_567), EN.number(None)) == ("1,234,567", "–")
    assert [EN.short(value) for value in (3, 1200, 4_500_000)] == ["3", "1.2 k", "4.5 M"]
    assert [ZH.short(value) for value in (3000, 44_000_000, 120_000_000)] == ["3,000", "4,400万", "1.2亿"]
    assert [EN.bytes(value) for value in (0, 1023, 1536, 5 * 2**40)] == ["0 B", "1,023 B", "1.5 KiB", "5.0 TiB"]
    assert [EN.change(value) for value in (None, 1.0001, 1.125, 0.5, 3)] == ["–", "0 %", "+12.5 %", "-50.0 %", "+200 %"]


def test_times_are_those_of_the_project():
    assert (EN.time(NOW), EN.time(NOW - timedelta(days=1)), EN.exact(NOW)) == (
        "09:12",
        "2026-11-19 09:12",
        "2026-11-20 09:12:30",
    )
    assert (EN.today, ZH.today) == ("2026-11-20 Friday", "2026-11-20 星期五")


@pytest.mark.parametrize(("value", "top"), [(0, 2), (1, 2), (3, 4), (10, 10), (11, 12), (121, 160), (96_000, 100_000)])
def test_pictures_end_at_a_round_number(value: float, top: float):
    assert nice_top(value) == pytest.approx(top)


def test_bars_stay_within_the_picture_and_failures_are_seen():
    start = datetime(2026, 11, 1, tzinfo=ZONE)
    one = timedelta(days=1)
    counts = [Counts(completed=100_000, failed=1, rows=5), Counts(), Counts(rows=50, seconds=9e6)]
    days = [Day((start + n * one).date(), start + n * one, start + (n + 1) * one, c) for n, c in enumerate(counts)]
    found = history(days, Usual(10, 20, 500, 9), None)
    assert found is not None
    for chart in (found.batches, found.rows, found.seconds):
        for column in chart.columns:
            assert 0 <= column.x < column.x + column.width <= 100.01
            for bar in column.bars:
                assert 0 <= bar.y < bar.y + bar.height <= HEIGHT + 0.01, bar
    completed, failed = found.batches.columns[0].bars
    assert (failed.kind, failed.height >= 2, failed.y < completed.y) == ("failed", True, True)
    assert found.rows.band is not None
    assert history([], None, None) is None


@pytest.mark.parametrize(("day", "number"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 7, 1), 24)])
def test_a_day_has_as_many_fields_as_hours(day: tuple[int, int, int], number: int):
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(*day, tzinfo=zone)
    starts = [(start.astimezone(ZoneInfo("UTC")) + timedelta(hours=n)).astimezone(zone) for n in range(number)]
    end = start + timedelta(days=1)
    shown = grid(Hours(start.date(), starts, end, {}, {number - 1: Counts(failed=1)}), starts[5], whole=False)
    assert len(shown.hours) == number
    (field,) = shown.lines[0].fields.values()
    assert (round(field.x + field.width), field.kind) == (100, "failed")
    assert shown.now is not None
    assert 0 < shown.now < 100


def test_tables_that_failed_come_first():
    names = [f"t{number:02}" for number in range(40)]
    shown = grid(hours(names), NOW, whole=False)
    kinds = ["failed" in line.kinds for line in shown.lines[1:]]
    assert kinds == sorted(kinds, reverse=True)
    assert (len(shown.lines), shown.left_out) == (26, 15)
    assert grid(hours(names), NOW, whole=True).left_out == 0

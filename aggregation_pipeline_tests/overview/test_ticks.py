"""Batches of one tick stand together in a list, under the moment of the tick."""

from dataclasses import replace
from datetime import UTC, datetime

from aggregation_pipeline.overview.ticks import by_tick
from aggregation_pipeline_tests.web.pages.mornings import batch

TICK = "aggregate 2026-11-20T18:00:00+00:00"


def test_batches_of_a_tick_are_one_group_where_the_first_of_them_stands():
    first, other, second = batch(1, "completed"), batch(2, "failed"), batch(3, "pending")
    ticks = by_tick([replace(first, tick=TICK), other, replace(second, tick=TICK)])
    assert [[each.id for each in tick.batches] for tick in ticks] == [[first.id, second.id], [other.id]]
    assert [tick.at for tick in ticks] == [datetime(2026, 11, 20, 18, tzinfo=UTC), None]
    assert (ticks[0].count("completed"), ticks[0].count("pending", "in_progress"), ticks[0].count("failed")) == (
        1,
        1,
        0,
    )


def test_one_batch_of_a_tick_alone_and_ticks_of_other_programs_have_no_heading():
    assert [tick.at for tick in by_tick([replace(batch(1, "completed"), tick=TICK)])] == [None]
    odd = [replace(batch(number, "completed"), tick="something") for number in (1, 2)]
    assert [(tick.at, len(tick.batches)) for tick in by_tick(odd)] == [(None, 2)]

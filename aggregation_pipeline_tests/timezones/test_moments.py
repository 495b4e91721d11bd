"""A day, or a time of a day, with or without an offset; nothing else."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.timezones.moments import read_moment


@given(st.datetimes(min_value=datetime.fromisoformat("1000-01-01"), timezones=st.sampled_from([None, UTC])))
def test_what_python_writes_is_read_to_the_microsecond(moment: datetime):
    assert read_moment(moment.isoformat()) == moment
    assert read_moment(f" {moment:%Y-%m-%d} ") == datetime.fromisoformat(f"{moment:%Y-%m-%d}")


def test_an_offset_is_kept():
    assert read_moment("2026-11-20T02:00+08:00").tzinfo == timezone(timedelta(hours=8))
    assert read_moment("2026-11-20T02:00:00Z").tzinfo == UTC
    assert read_moment("2026-11-20T02:00").tzinfo is None


@pytest.mark.parametrize(
    "text", ["", "today", "2026-13-01", "2026-11-20T25:00", "2026-11-20 02:00", "20261120", "2026-W47-5", "2026-11-20Z"]
)
def test_anything_else_is_refused_with_an_example(text: str):
    with pytest.raises(ValueError, match=r"is no time; .* such as 2026-11-20 or 2026-11-20T02:00"):
        read_moment(text)

"""Lengths of time as a user writes them."""

from datetime import timedelta

import pytest

from aggregation_pipeline.config.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90m", timedelta(minutes=90)),
        ("26h", timedelta(hours=26)),
        ("7d", timedelta(days=7)),
        (" 2 W ", timedelta(weeks=2)),
        ("99999w", timedelta(weeks=99_999)),
    ],
)
def test_a_length_of_time_is_a_number_and_a_unit(text: str, length: timedelta):
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "-1d", "1.5h", "7 days", "1y", "100000w", "none"])
def test_anything_else_is_refused_with_examples(text: str):
    with pytest.raises(ValueError, match="a length of time such as 90m, 26h, 7d or 2w is expected"):
        parse_duration(text)

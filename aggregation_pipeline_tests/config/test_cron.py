import re
from datetime import UTC, datetime

import pytest
from dagster._utils.schedules import cron_string_iterator, is_valid_cron_string
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("cron", "five", "note"),
    [
        # The first service's own forms.
        ("0 0 2 * * *", "0 2 * * *", "'0 0 2 * * *' runs as '0 2 * * *'"),
        ("0 * * * * *", "* * * * *", "every minute, not every hour; every hour is '0 0 * * * *'"),
        ("0 0 3 * * 1", "0 3 * * 1", "runs as '0 3 * * 1'"),
        # Node.js's other habits.
        ("0 0 0 ? * MON-FRI", "0 0 * * MON-FRI", "runs as '0 0 * * MON-FRI'"),
        ("30 15 2 * * *", "15 2 * * *", "starts at second 0, not 30"),
        ("0 * 2 * * *", "* 2 * * *", "every minute of those hours, not once in each; once in each is '0 0 2 * * *'"),
        ("0 */15 9-17 * * 1-5", "*/15 9-17 * * 1-5", "runs as"),
        ("00 30 08 01 JAN,jul *", "30 08 01 JAN,jul *", "runs as"),
        ("@daily", "0 0 * * *", "runs as '0 0 * * *'"),
        ("@Weekly", "0 0 * * 0", "runs as"),
        ("  0  2 * * *  ", "0 2 * * *", None),
        # Both days: node-cron means "and", Dagster "or".
        (
            "0 0 2 1 * 1",
            "0 2 1 * 1",
            "The day of the month '1' and the day of the week '1' are both given: it runs on each day that is one",
        ),
        ("0 2 1 * MON", "0 2 1 * MON", "node-cron runs on days that are both"),
        ("0 2 */2 * 1", "0 2 */2 * 1", "are both given"),
        ("0 0 2 L * 5", "0 2 L * 5", "are both given"),
        ("0 2 1 * ?", "0 2 1 * *", "runs as"),
        ("0 2 1 * *", "0 2 1 * *", None),
        # Five fields stay as they are.
        ("0 2 * * *", "0 2 * * *", None),
        ("* * * * *", "* * * * *", None),
        ("0 9 * * 7", "0 9 * * 7", None),
        ("0 9 * * FRI-SUN", "0 9 * * FRI-SUN", None),
        ("5/15 * * * *", "5/15 * * * *", None),
        ("0 0 L * *", "0 0 L * *", None),
        ("0 0 29 2 *", "0 0 29 2 *", None),
    ],
)
def test_seconds_go_and_the_note_says_so(cron: str, five: str, note: str | None):
    found, said = to_five_fields(cron)
    assert found == five
    assert is_valid_cron_string(found)
    assert (said is None) if note is None else (note in (said or ""))


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("*/10 * * * * *", "smallest step is a minute"),
        ("* * * * * *", "smallest step is a minute"),
        ("0,30 * * * * *", "smallest step is a minute"),
        ("60 0 2 * * *", "no plain number from 0 to 59"),
        ("", "found 0"),
        ("2am", "found 1"),
        ("@reboot", "found 1"),
        ("0 0 2 * * * 2026", "Dagster has no field for the year"),
        ("0 24 * * *", "the hour '24' is unknown; expected: numbers from 0 to 23"),
        ("0 0 0 * *", "the day of the month '0'"),
        ("0 0 * 13 *", "the month '13' is unknown; expected: numbers from 1 to 12, or names as JAN"),
        ("0 0 * * 8", "the day of the week '8'"),
        ("0 0 * * monday", "the day of the week 'monday'"),
        ("0 0 * * 5L", "the day of the week '5l'"),
        ("50-10 * * * *", "a range goes upwards"),
        ("*/60 * * * *", "a step is from 1 to 59"),
        ("*/0 * * * *", "a step is from 1 to 59"),
        ("1,,2 * * * *", "is not understood"),
        ("٣ * * * *", "is not understood"),
        ("0 0 30 2 *", "would never run"),
        ("0 0 31 4,6 *", "would never run"),
    ],
)
def test_what_dagster_cannot_run_is_refused_in_words(cron: str, words: str):
    with pytest.raises(ConfigError, match=re.escape(words)) as error:
        to_five_fields(cron)
    assert repr(cron) in str(error.value)


FIELD = st.from_regex(r"[0-9*,/LlMONSUjan?-]{1,5}", fullmatch=True)


@given(st.lists(st.one_of(FIELD, st.integers(0, 31).map(str), st.just("*")), min_size=5, max_size=6).map(" ".join))
def test_whatever_is_taken_dagster_takes_and_finds_a_next_time_for(cron: str):
    try:
        five, _ = to_five_fields(cron)
    except ConfigError:
        return
    assert is_valid_cron_string(five)
    assert next(cron_string_iterator(datetime(2026, 1, 1, tzinfo=UTC).timestamp(), five, "Asia/Shanghai")).year >= 2026

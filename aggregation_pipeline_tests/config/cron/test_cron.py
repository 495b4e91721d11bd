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
        # Both days, as node-cron means them.
        (
            "0 0 2 1-7 * 1",
            "0 2 * * 1#1",
            "It runs on days that are both the day of the month and the weekday, as with node-cron.",
        ),
        ("0 0 2 22-31 1 MON", "0 2 * 1 1#4,1#5", "days that are both"),
        ("0 0 2 25-31 JAN,MAR 5", "0 2 * JAN,MAR L5", "days that are both"),
        ("0 0 2 */1 * MON-FRI", "0 2 * * MON-FRI", "days that are both"),
        ("0 0 2 1 * 0-6", "0 2 1 * *", "days that are both"),
        ("0 0 9 * * 5L", "0 9 * * L5", "node-cron 3 takes the day of the week 'L5' for 5"),
        ("0 9 * * L5", "0 9 * * L5", None),
        ("0 9 * * 7#1", "0 9 * * 0#1", "runs as"),
        ("0 0 1 January *", "0 0 1 Jan *", "runs as"),
        ("0 9 * * Monday-FRIDAY", "0 9 * * Mon-FRI", "runs as"),
        (
            "0 2 */7 * *",
            "0 2 */7 * *",
            "node-cron 3 takes the day of the month '*/7' for 7,14,21,28; here, as in node-cron 4, it is 1,8,15,22,29.",
        ),
        ("0 2 1 * ?", "0 2 1 * *", "runs as"),
        ("0 2 1 * *", "0 2 1 * *", None),
        # Five fields stay as they are.
        ("0 2 * * *", "0 2 * * *", None),
        ("* * * * *", "* * * * *", None),
        ("0 9 * * 7", "0 9 * * 7", None),
        ("0 9 * * FRI-SUN", "0 9 * * FRI-SUN", "node-cron 3 takes the day of the week 'FRI-SUN' for 0,1,2,3,4,5"),
        ("5/15 * * * *", "5/15 * * * *", None),
        ("0 0 L * *", "0 0 L * *", None),
        ("0 0 29 2 *", "0 0 29 2 *", None),
    ],
)
def test_seconds_go_and_the_note_says_so(cron: str, five: str, note: str | None):
    found, said, _ = to_five_fields(cron)
    assert found == five
    assert is_valid_cron_string(found)
    assert (said is None) if note is None else (note in (said or ""))


AMBIGUOUS = (
    "the day of the month '1-7' and the day of the week 'MON' are both given. node-cron runs on days that are both,"
    " Dagster and crontab on days that are either. Expected is one of the two: for days that are both write"
    " '0 2 * * 1#1'; for days that are either write a list of two in the entry, schedule: ['0 2 1-7 * *',"
    " '0 2 * * MON']"
)
NO_WEEK = (
    "are both given. node-cron runs on days that are both, and Dagster can do so only for whole weeks: days 1-7, 8-14,"
    " 15-21, 22-28 or 29-31 of the month. Expected is one of the two: for days that are either write a list of two in"
    " the entry, schedule: ['0 2 13 * *', '0 2 * * 5']; for one of the two alone write * for the other"
)


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
        ("0 0 * * tues", "the day of the week 'tues' is unknown; expected: numbers from 0 to 7, or names as MON"),
        ("0 0 * * 1,2#1", "the day of the week '1' stands beside one that is counted in the month"),
        ("0 0 L-3 * *", "the day of the month 'l-3' is none that Dagster can run on; expected: numbers, or L alone"),
        ("0 ? * * *", "the hour '?' is not understood"),
        ("50-10 * * * *", "a range goes upwards, as 1-5: write 50-59,0-10"),
        ("0 22-4/2 * * *", "a range goes upwards, as 1-5: write its numbers one by one"),
        ("0 0 * * FRI-MON", "write fri-6,0-mon"),
        ("0 0 * * 1-1", "the day of the week '1-1' is a range of one, which Dagster takes for all of them; write 1"),
        ("0 0 * * 7-SUN", "is a range of one"),
        ("0 23/2 * * *", "the hour '23/2' begins with the last one, and Dagster then begins anew; write 23"),
        ("0 0 * * SAT/2", "begins with the last one"),
        ("*/60 * * * *", "a step is from 1 to 59; node-cron takes this one for 0 alone"),
        ("0 2 1-7 * MON", AMBIGUOUS),
        ("0 0 2 13 * 5", NO_WEEK),
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


@pytest.mark.parametrize("cron", ["0 * * * * *", "* 2 * * *", "0 0 2 1-7 * 1"])
def test_what_is_easily_meant_otherwise_is_surprising(cron: str):
    assert to_five_fields(cron).surprising
    assert not to_five_fields("0 0 2 * * *").surprising


FIELD = st.from_regex(r"[0-9*,/LlMONSUjan?-]{1,5}", fullmatch=True)


@given(st.lists(st.one_of(FIELD, st.integers(0, 31).map(str), st.just("*")), min_size=5, max_size=6).map(" ".join))
def test_whatever_is_taken_dagster_takes_and_finds_a_next_time_for(cron: str):
    try:
        five = to_five_fields(cron).cron
    except ConfigError:
        return
    assert is_valid_cron_string(five)
    assert next(cron_string_iterator(datetime(2026, 1, 1, tzinfo=UTC).timestamp(), five, "Asia/Shanghai")).year >= 2026

"""Partitions, schedules, checks and freshness in the YAML, and the messages for issues in them."""

from datetime import timedelta
from pathlib import Path

import pytest

from aggregation_pipeline.config.durations import parse_duration
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.config_file import load_text


def load(folder: Path, entry: str) -> TableEntry:
    return load_text(folder, f"tables:\n  orders: {entry}\n").tables[0]


def test_all_of_it_in_both_spellings(tmp_path):
    entry = load(
        tmp_path,
        "{selectFields: [id], partition: {column: '`created at`', every: week, start: 2026-01-01, endOffset: 1,"
        " week_start: sunday}, schedule: ['0 0 6 * * *', '@daily'], timezone: Europe/Berlin, catchUp: 2w, backfill:"
        " {partitionsPerRun: all}, checks: {minRows: 1, notNull: id}, freshness: {failAfter: 26h}}",
    )
    assert entry.partition is not None
    assert (entry.partition.column, entry.partition.start, entry.partition.end_offset) == (
        "created at",
        "2026-01-01T00:00",
        1,
    )
    assert entry.schedule == ("0 0 6 * * *", "@daily")
    assert entry.backfill.partitions_per_run == "all"
    assert entry.checks[0].not_null == ("id",)
    assert parse_duration(entry.catch_up) == timedelta(weeks=2)


def test_what_is_left_out(tmp_path):
    entry = load(
        tmp_path, "{partition: {column: at, every: day, start: 2026-01-01T00:00}, schedule: none, catch_up: none}"
    )
    assert entry.schedule == ()
    assert entry.catch_up == "none"
    assert entry.backfill.partitions_per_run == 31
    assert load(tmp_path, "{}").schedule is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            "{partition: {column: DATE(at), every: day, start: 2026-01-01}}",
            "partition.column: a column by its name is expected",
        ),
        (
            "{partition: {column: at, every: days, start: 2026-01-01}}",
            "every: one of hour, day, week, month is expected",
        ),
        ("{partition: {column: at, every: day, start: yesterday}}", "partition.start: a date such as 2026-01-01, or"),
        ("{partition: {column: at, every: day, start: 2026-01-01T06:30}}", "partition.start: a full hour is expected"),
        (
            "{partition: {column: at, every: day, start: 2026-01-01T00:00+08:00}}",
            "partition.start: a local time is expected",
        ),
        ("{partition: {column: at, every: day}}", "partition.start: the key is missing"),
        ("{timezone: Asia/Shanghia}", "'Asia/Shanghia' is none; was Asia/Shanghai meant?"),
        ("{schedule: 0 25 * * *}", "schedule: the cron expression '0 25 * * *' cannot be used: the hour"),
        ("{catch_up: 7 Tage}", "catch_up: a length of time such as 90m, 26h, 7d or 2w is expected"),
        ("{freshness: {fail_after: 1d, warn_after: 24h}}", "freshness: warn_after has to be shorter than fail_after"),
        ("{checks: {min_rows: 5, max_rows: 4}}", "min_rows is greater than max_rows"),
        ("{checks: {severity: warn}}", "at least one check is expected: min_rows, max_rows, not_null"),
        (
            "{select_fields: [id], checks: {unique: [id, 'id, ids']}}",
            "unique names 'ids', which is no column of the files; there are id",
        ),
        ("{backfill: {partitions_per_run: 0}}", "backfill.partitions_per_run"),
    ],
)
def test_issues_are_named_with_key_and_remedy(tmp_path, entry, words):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, entry)
    assert words in str(caught.value)
    assert "aggregation.yaml:2:" in str(caught.value)

"""`names`, `keep`, `keep_last` and `keep_versions`: stable names, and how long windows and versions are kept."""

from datetime import timedelta
from pathlib import Path

import pytest

from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.config_file import load_text


def test_by_default_files_have_names_one_version_stays_and_windows_stay_for_ever(tmp_path: Path):
    (orders,) = load_text(tmp_path, "tables: {orders: {}}").tables
    assert (orders.names, orders.keep_versions, orders.keep_for, orders.keep_last) == ("copy", 1, None, None)


def test_a_table_may_differ_from_the_project(tmp_path: Path):
    text = (
        "names: none\nkeepVersions: all\ntables: {orders: {names: symlink, keep_versions: 3}, users: {}, products:"
        " {keep_versions: 1}}"
    )
    config = load_text(tmp_path, text)
    assert [(entry.names, entry.keep_versions) for entry in config.tables] == [
        ("symlink", 3),
        ("none", "all"),
        ("none", 1),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90d", timedelta(days=90)), ("12w", timedelta(weeks=12)), ("99999w", timedelta(weeks=99999))],
)
def test_a_time_to_keep_is_days_or_weeks(tmp_path: Path, text: str, expected: timedelta):
    (orders,) = load_text(tmp_path, f"tables: {{orders: {{keep: {text}, keepLast: 3}}}}").tables
    assert (orders.keep_for, orders.keep_last) == (expected, 3)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("keep: 90", "keep"),
        ("keep: 90 days", "a number of days or weeks is expected, such as 90d or 12w"),
        ("keep: 0d", "a number of days or weeks is expected"),
        ("keep: -3d", "a number of days or weeks is expected"),
        ("keep: 3m", "a number of days or weeks is expected"),
        ("keep_last: 0", "keep_last: it should be greater than or equal to 1"),
        ("names: hardlink", "one of copy, symlink, none is expected"),
        ("keep_versions: 0", "keep_versions"),
        ("keep_versions: some", "keep_versions"),
        ("layout: versioned", "layout: unknown key"),
    ],
)
def test_what_would_keep_nothing_or_says_nothing_is_refused_with_its_place(tmp_path: Path, entry: str, words: str):
    with pytest.raises(ConfigError, match=rf"aggregation.yaml:2:\d+: tables.orders.*{words}"):
        load_text(tmp_path, f"tables:\n  orders: {{{entry}}}")

"""`layout`, `keep` and `keep_last`: how a table's windows are laid out and how long they stay."""

from datetime import timedelta
from pathlib import Path

import pytest

from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline.config.model import PipelineConfig
from aggregation_pipeline.errors import ConfigError


def load(folder: Path, text: str) -> PipelineConfig:
    path = folder / "aggregation.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_without_a_word_files_are_replaced_and_windows_stay_for_ever(tmp_path: Path):
    config = load(tmp_path, "tables: {orders: {}}")
    (orders,) = config.tables
    assert (config.layout, orders.layout, orders.keep_for, orders.keep_last) == ("overwrite", None, None, None)


def test_a_table_may_differ_from_the_project_in_its_layout(tmp_path: Path):
    config = load(tmp_path, "layout: versioned\ntables: {orders: {layout: overwrite}, users: {}}")
    assert (config.layout, [entry.layout for entry in config.tables]) == ("versioned", ["overwrite", None])


@pytest.mark.parametrize(
    ("text", "expected"), [("90d", timedelta(days=90)), ("12w", timedelta(weeks=12)), ("99999w", timedelta(weeks=99999))]
)
def test_a_time_to_keep_is_days_or_weeks(tmp_path: Path, text: str, expected: timedelta):
    (orders,) = load(tmp_path, f"tables: {{orders: {{keep: {text}, keepLast: 3}}}}").tables
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
        ("layout: new", "one of overwrite, versioned is expected"),
    ],
)
def test_what_would_keep_nothing_or_says_nothing_is_refused_with_its_place(tmp_path: Path, entry: str, words: str):
    with pytest.raises(ConfigError, match=rf"aggregation.yaml:2:\d+: tables.orders.*{words}"):
        load(tmp_path, f"tables:\n  orders: {{{entry}}}")

"""A table's options and limits lie over the project's, key by key."""

from pathlib import Path

import pytest

from aggregation_pipeline.config.selection import select_tables
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.config_file import load_text


def test_a_table_overrides_single_keys_and_keeps_the_projects_others(tmp_path: Path):
    config = load_text(
        tmp_path,
        """
        options: {csv: {encoding: gb18030, null: "NULL"}, zeroDates: text}
        sourceLimits: {max_rows: 1000, timeout_seconds: 60}
        tables:
          a: {options: {csv: {encoding: utf-8}, json: {decimals: number}}, sourceLimits: {max_rows: 5}}
          b: {}
        """,
    )
    a, b = config.tables
    assert (a.options.csv.encoding, a.options.csv.null, a.options.json_.decimals, a.options.zero_dates) == (
        "utf-8",
        "NULL",
        "number",
        "text",
    )
    assert (a.source_limits.max_rows, a.source_limits.timeout_seconds, a.source_limits.on_scan) == (5, 60, "warn")
    assert b.options == config.options
    assert b.source_limits == config.source_limits
    (counted,) = select_tables(config, ["without_entry"], warn=lambda _: None)
    assert (counted.options, counted.source_limits) == (config.options, config.source_limits)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "tables: {t: {options: {csv: {encodng: utf-8}}}}",
            r"yaml:1:\d+: tables.t.options.csv.encodng: unknown key. Was encoding meant",
        ),
        ("tables: {t: {source_limits: {max_rows: 0}}}", r"tables.t.source_limits.max_rows"),
        ("tables: {t: {source_limits: {on_scan: fail}}}", "warn, error"),
        (
            "options: {csv: {delimiter: ;}}\ntables: {t: {options: {csv: {null: ';'}}}}",
            "options of t contradict those of the project",
        ),
    ],
)
def test_an_issue_in_an_override_is_found_when_loading(tmp_path: Path, text: str, words: str):
    with pytest.raises(ConfigError, match=words):
        load_text(tmp_path, text)

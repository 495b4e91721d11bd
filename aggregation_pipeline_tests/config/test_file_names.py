"""Templates of file names: judged when the config loads, so that no run finds two files under one name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.config.file_names import (
    PLACEHOLDERS,
    RESERVED_STEMS,
    checked_template,
    file_stem,
    refuse_collisions,
)
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.config_file import load_text

PARTS = ("summary", "detail", None)


def stems(template: str, table: str = "orders", window: str = "2026-11-20-14:00") -> list[str]:
    return [file_stem(template, table, window, "csv", dataset) for dataset in PARTS]


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{table}.{dataset}", ["orders.summary", "orders.detail", "orders"]),
        ("{table}_{date}_{dataset}", ["orders_20261120_summary", "orders_20261120_detail", "orders_20261120"]),
        ("{dataset}-{table}", ["summary-orders", "detail-orders", "orders"]),
        (
            "{table}-{dataset}-{window}",
            ["orders-summary-2026-11-20-1400", "orders-detail-2026-11-20-1400", "orders-2026-11-20-1400"],
        ),
        ("{table} - {dataset}", ["orders - summary", "orders - detail", "orders"]),
        ("{table}（{dataset}）", ["orders（summary）", "orders（detail）", "orders"]),
        ("{table}[{dataset}]", ["orders[summary]", "orders[detail]", "orders"]),
        ("【{dataset}】{table}", ["【summary】orders", "【detail】orders", "orders"]),
        ("({dataset}) {table}", ["(summary) orders", "(detail) orders", "orders"]),
        ("{table}__{dataset}", ["orders__summary", "orders__detail", "orders"]),
        (
            "{table} - {dataset} - {date}",
            ["orders - summary - 20261120", "orders - detail - 20261120", "orders - 20261120"],
        ),
        (
            "{table}（{dataset}，{date}）",
            ["orders（summary，20261120）", "orders（detail，20261120）", "orders（20261120）"],
        ),
        (
            "{table}（{date}、{dataset}）",
            ["orders（20261120、summary）", "orders（20261120、detail）", "orders（20261120）"],
        ),
        ("{table} ({dataset}) {dataset}", ["orders (summary) summary", "orders (detail) detail", "orders"]),
        ("日报 {dataset}（{format}）", ["日报 summary（csv）", "日报 detail（csv）", "日报（csv）"]),
    ],
)
def test_a_template_names_each_dataset_and_the_file_that_holds_both(template: str, names: list[str]):
    assert stems(checked_template(template)) == names


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (
            "{tabel}",
            (
                r"\{tabel\} is no placeholder of file names; there are \{table\}, \{dataset\}, \{window\}, \{date\},"
                r" \{format\}"
            ),
        ),
        ("{date:%Y}", r"\{date:%Y\} is no placeholder"),
        ("${table}.${dataset}", r"placeholders have no \$ before them; there are \{table\}"),
        ("｛table｝.｛dataset｝", r"a placeholder's braces are the ASCII signs"),
        ("[{dataset}]", "is not empty without {dataset}"),
        ("{table.__class__}", "is no placeholder"),
        ("{table}.{dataset", "a brace has no partner"),
        ("{{table}}.{dataset}", "a brace has no partner"),
        ("out/{table}.{dataset}", r"'/' can be in no file's name.*a template makes no folders"),
        ("out\\\\{table}.{dataset}", "can be in no file's name"),
        ("{table}: {dataset}", "':' can be in no file's name"),
        ("{table}..{dataset}", r"without '\.\.'"),
        ("../{table}", "can be in no file's name"),
        (".{table}.{dataset}", "without a dot or a blank at its ends"),
        ("{table} ", "without a dot or a blank at its ends"),
        ("", "a name of 1 to 100 characters is expected"),
        ("{dataset}", "is not empty without {dataset}"),
        ("x" * 101, "a name of 1 to 100 characters is expected"),
        ("{table}.{dataset}.csv", "each format adds its own ending"),
        ("{table}", r"gives the summary and the detail rows of t the same name; put \{dataset\} in"),
        ("{date}", "gives the summary and the detail rows of t the same name"),
        ("manifest.{dataset}", "gives a file of t the name 'manifest', which the store uses itself"),
        ("{dataset}.Latest", "gives a file of t the name 'Latest'"),
    ],
)
@pytest.mark.parametrize("place", ["project", "table"])
def test_a_template_that_could_not_be_followed_is_refused_when_the_config_loads(
    tmp_path: Path, template: str, words: str, place: str
):
    options = f'options: {{fileNames: "{template}"}}'
    entry = "t: {select_fields: ['*'], group_by: [a]" + (f", {options}}}" if place == "table" else "}")
    with pytest.raises(ConfigError, match=words):
        load_text(tmp_path, "\n".join([*([options] if place == "project" else []), f"tables: {{{entry}}}"]))


def test_a_table_of_one_dataset_needs_no_placeholder_for_it_and_its_own_template_wins(tmp_path: Path):
    config = load_text(
        tmp_path,
        """
        options: {fileNames: "{table}-{date}"}
        tables:
          counts: {}
          rows: {select_fields: ['*']}
          both: {select_fields: ['*'], group_by: [a], options: {file_names: "{table}-{dataset}"}}
          manifest: {options: {file_names: "{table}.{dataset}"}}
        """,
    )
    assert [entry.options.file_names for entry in config.tables] == [
        *["{table}-{date}"] * 2,
        "{table}-{dataset}",
        "{table}.{dataset}",
    ]
    assert [entry.datasets for entry in config.tables] == [
        ("summary",),
        ("detail",),
        ("summary", "detail"),
        ("summary",),
    ]


@given(
    template=st.lists(st.sampled_from([f"{{{name}}}" for name in PLACEHOLDERS]) | st.text(max_size=3), max_size=6).map(
        "".join
    ),
    table=st.text(min_size=1, max_size=10),
)
def test_whatever_is_taken_gives_names_that_differ_and_lead_nowhere_else(template: str, table: str):
    try:
        checked_template(template)
        refuse_collisions(template, "t", ("summary", "detail"))
    except ValueError:
        return
    found = stems(template, "t")
    assert len(set(found)) == 3
    for stem in found:
        assert stem.strip(" .") == stem != ""
        assert not set(stem) & set("/\\:{}")
        assert ".." not in stem
        assert stem.lower() not in RESERVED_STEMS
    # Placeholders in a table's name are the name's own.
    assert stems("{dataset} {table}", table)[0] == f"summary {table}"

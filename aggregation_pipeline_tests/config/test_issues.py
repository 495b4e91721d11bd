"""Errors that people make by habit: the message names the key, the likely cause and the remedy."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.config.sql.expressions import read_expression
from aggregation_pipeline.config.sql.roles import Role
from aggregation_pipeline.config.sql.tokens import ExpressionError
from aggregation_pipeline_tests.config.user_errors import MESSAGES
from aggregation_pipeline_tests.support.config_file import find_issues, load_text


@pytest.mark.parametrize("text", MESSAGES)
def test_a_habit_of_elsewhere_is_answered_once_with_its_cause_and_remedy(tmp_path: Path, text: str):
    found = find_issues(tmp_path, text)
    assert len(found) == 1, found
    assert MESSAGES[text] in found[0]
    assert "sqlglot" not in found[0]
    assert "while " not in found[0].partition("this is not YAML")[2], "PyYAML's own words"


def test_a_file_of_utf_16_is_answered_in_words(tmp_path: Path):
    assert "save it as UTF-8" in find_issues(tmp_path, "tables: {}".encode("utf-16"))[0]


@pytest.mark.parametrize(
    "text",
    [
        "note = '，：（）“”；'",
        "note LIKE '%s'",
        "a %s",
        "(a) % (b)",
        "a LIKE '{{%'",
        "note = 'WHERE x ORDER BY y LIMIT 5'",
        "`where` = 1 AND `limit` > `order`",
        "id IN (SELECT id FROM t WHERE a = 1 ORDER BY id LIMIT 5)",
        "GROUP_CONCAT(a ORDER BY b)",
        "url = 'http://x//y'",
        "状态 = '，'",
    ],
)
def test_what_only_looks_like_a_habit_stays_possible(text: str):
    role: Role = "aggregate" if "GROUP_CONCAT" in text else "condition"
    assert read_expression(text, role) == text


def test_text_in_quotes_and_names_hold_any_sign(tmp_path: Path):
    config = load_text(
        tmp_path,
        "tables:\n  '用户：表': {table: users, description: '，：“x” // y {{ z }} it''s', where: \"a = '，'\"}\n"
        "  plain: {description: it's ok, select_fields: [(a > b), c]}\n",
    )
    assert [entry.name for entry in config.tables] == ["用户：表", "plain"]


def refusal_of(text: str) -> str:
    try:
        read_expression(text, "condition")
    except ExpressionError as error:
        return str(error)
    return ""


@given(st.text(max_size=40))
def test_any_text_is_accepted_or_refused_in_our_own_words(text: str):
    words = refusal_of(text)
    assert "sqlglot" not in words
    assert "<class" not in words


def test_formats_may_be_written_as_in_output_format(tmp_path: Path):
    config = load_text(
        tmp_path,
        "tables:\n  a: {formats: 'csv, excel'}\n  b: {formats: [all]}\n  c: {formats: all}\n  d: {formats: csv}\n",
    )
    every = ("json", "csv", "excel", "parquet")
    assert [entry.formats for entry in config.tables] == [("csv", "excel"), every, every, ("csv",)]


def test_totals_may_name_one_column_and_columns_that_any_table_has(tmp_path: Path):
    config = load_text(
        tmp_path,
        "options: {excel: {totals: [amount, n]}}\ntables:\n  a: {select_fields: [amount]}\n  b: {aggregations:"
        " [{function: COUNT, alias: n}]}\n  c: {select_fields: ['*'], options: {excel: {totals: anything}}}\n",
    )
    assert [entry.options.excel.totals for entry in config.tables] == [
        ("amount", "n"),
        ("amount", "n"),
        ("anything",),
    ]

"""Tables that are asked for by name, in any case; the message for a name that does not exist suggests the right one."""

from pathlib import Path

import pytest
import yaml

from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.selection import select_names, select_tables
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.config_file import load_text

KNOWN = ("users", "orders", "订单", "订单（旧）")
COMMA = r"sign ， is the full-width comma \(U\+FF0C\), not an ASCII sign; write the ASCII sign ','"
LISTS = [
    ("users，orders", f"{COMMA}; separate names by commas, as in users,orders"),
    ("订单，users", COMMA),
    ("users、orders", r"sign 、 .* write the ASCII sign ','"),
    ("users；orders", r"sign ； is the full-width semicolon .*; separate names by commas, as in users,orders"),
    ("users;orders", "eparate names by commas, as in users,orders"),
    ("users|orders", "eparate names by commas"),
    ("[users]", "rite names without brackets and quotes, as in users,orders"),
    ('["users"', "rite names without brackets and quotes"),
    ("'users'", "rite names without brackets and quotes"),
    ("*", "or all entries leave the option or variable out"),
]


def test_names_are_taken_in_any_case_once_and_in_their_order():
    assert select_names(["Orders", "订单", "orders", "订单（旧）"], KNOWN) == ("orders", "订单", "订单（旧）")
    assert select_names([], KNOWN) == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "usres",
            r"no table named 'usres' is configured; there are users, orders, 订单, 订单（旧）\. Was users meant\?$",
        ),
        ("订弹", r"Was 订单 meant\?$"),
        ("products", r"; there are users, orders, 订单, 订单（旧）$"),
        *LISTS,
    ],
)
def test_a_name_that_is_not_there_brings_what_is_and_the_likely_cause(name: str, words: str):
    with pytest.raises(ConfigError, match=words):
        select_names(["users", name], KNOWN)


@pytest.mark.parametrize(("name", "words"), LISTS)
def test_a_list_in_another_spelling_is_no_table_that_could_be_counted(name: str, words: str):
    config = PipelineConfig(tables=tuple(TableEntry(name=each) for each in KNOWN))
    with pytest.raises(
        ConfigError, match=f"AGGREGATION_TABLES names .* which has no entry in aggregation.yaml: .*{words}"
    ):
        select_tables(config, [name], warn=pytest.fail)
    named = PipelineConfig(tables=(TableEntry(name="orders", table="t"), TableEntry(name=name, table="t")))
    assert [entry.name for entry in select_tables(named, [name], warn=pytest.fail)] == [name]


CONFIG = PipelineConfig(tables=(TableEntry(name="users", limit=1), TableEntry(name="orders", limit=2)))


def selected(*names: str) -> tuple[list[tuple[str, int | None]], list[str]]:
    warnings: list[str] = []
    entries = select_tables(CONFIG, names or None, warn=warnings.append)
    return [(entry.name, entry.limit) for entry in entries], warnings


def test_all_entries_are_taken_where_none_is_named():
    assert selected() == ([("users", 1), ("orders", 2)], [])
    assert selected(" ", "") == ([("users", 1), ("orders", 2)], [])


def test_named_tables_are_taken_once_and_in_their_order():
    assert selected("orders", " users ", "orders") == ([("orders", 2), ("users", 1)], [])


def test_a_table_without_an_entry_is_counted_and_the_entry_to_write_is_shown():
    entries, (warning,) = selected("用户: 表")
    assert entries == [("用户: 表", None)]
    written = yaml.safe_load(warning.partition("The entry to write:")[2])
    assert written == {"tables": {"用户: 表": {"aggregations": [{"function": "COUNT", "alias": "row_count"}]}}}
    assert "meant" not in warning


def test_a_name_near_an_entry_brings_a_hint_and_one_that_differs_in_case_the_entry():
    entries, (warning,) = selected("order")
    assert entries == [("order", None)]
    assert "Was orders meant?" in warning
    entries, (warning,) = selected("ORDERS", "orders")
    assert entries == [("orders", 2)]
    assert "differs in case only" in warning


@pytest.mark.parametrize("text", ["tables:\n", "tables: {}", "tables: null", "tableConfigs:\n"])
def test_no_table_loads_in_every_spelling_and_is_refused_where_tables_are_chosen(tmp_path: Path, text: str):
    config = load_text(tmp_path, text)
    assert config.tables == ()
    with pytest.raises(
        ConfigError, match=r"there is no table: there is nothing under tables .* and AGGREGATION_TABLES names none"
    ):
        select_tables(config, None, warn=pytest.fail)
    heard: list[str] = []
    assert [entry.name for entry in select_tables(config, ["users"], warn=heard.append)] == ["users"]
    assert len(heard) == 1


def test_a_name_that_can_be_no_table_is_refused():
    with pytest.raises(ConfigError, match=r"AGGREGATION_TABLES names 'a.b.c', .* can be no table"):
        selected("a.b.c")

"""Tables that are asked for by name: in any case, and with the likely mistake where there is none of that name."""

import pytest

from aggregation_pipeline.config.loading import select_tables
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.selection import select_names
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError

KNOWN = ("users", "orders", "订单", "订单（旧）")
COMMA = r"sign ， is the full-width comma \(U\+FF0C\), not an ASCII sign; write the ASCII sign ','"
LISTS = [
    ("users，orders", COMMA),
    ("订单，users", COMMA),
    ("users、orders", r"sign 、 .* write the ASCII sign ','"),
    ("users；orders", r"sign ； is the full-width semicolon .*; names stand with a comma between, as in users,orders"),
    ("users;orders", "ames stand with a comma between, as in users,orders"),
    ("users|orders", "ames stand with a comma between"),
    ("[users]", "ames stand without brackets and quotes, as in users,orders"),
    ('["users"', "ames stand without brackets and quotes"),
    ("'users'", "ames stand without brackets and quotes"),
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
def test_a_name_that_is_not_there_brings_what_is_and_the_likely_mistake(name: str, words: str):
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


@pytest.mark.parametrize(
    ("wrong", "known", "right"),
    [
        ("订弹", ["用户", "订单"], "订单"),
        ("编码", ["名称", "编号"], "编号"),
        ("锭单", ["用户", "订单"], "订单"),
        ("用戶", ["订单", "用户"], "用户"),
        ("订单编码", ["订单编号", "用户编号"], "订单编号"),
    ],
)
def test_of_two_chinese_characters_one_may_be_wrong(wrong: str, known: list[str], right: str):
    assert did_you_mean(wrong, known) == f" Was {right} meant?"


def test_two_that_share_nothing_are_not_near():
    for wrong, known in (("金额", ["订单", "用户"]), ("单订", ["用户"]), ("ab", ["ac"]), ("é1", ["x2"])):
        assert did_you_mean(wrong, known) == ""

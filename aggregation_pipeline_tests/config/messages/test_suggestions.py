"""The right name that is suggested for a wrong one."""

import pytest

from aggregation_pipeline.config.messages.suggestions import did_you_mean, existing_names


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


def test_the_names_that_exist_are_listed_with_the_nearest_one():
    assert existing_names("usres", ["users", "orders"]) == "there are users, orders. Was users meant?"
    assert existing_names("products", ["users", "orders"]) == "there are users, orders"

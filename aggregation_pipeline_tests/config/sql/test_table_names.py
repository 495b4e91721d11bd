"""Names of tables as a user writes them."""

import pytest

from aggregation_pipeline.config.sql.table_names import TableName, split_table


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("orders", TableName(None, "orders")),
        ("shop.orders", TableName("shop", "orders")),
        ("`v1.orders`", TableName(None, "v1.orders")),
        ("shop.`v1.orders`", TableName("shop", "v1.orders")),
        ("`a``b`", TableName(None, "a`b")),
        ("order items", TableName(None, "order items")),
        ("用户 表", TableName(None, "用户 表")),
    ],
)
def test_a_table_is_named_plain_with_its_database_or_in_backticks(text: str, name: TableName):
    assert split_table(text) == name


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a.b.c", "`a", "``", "a`b", "a ", "a\nb"])
def test_what_names_no_table_is_refused(text: str):
    with pytest.raises(ValueError, match="table"):
        split_table(text)

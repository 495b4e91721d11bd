"""Names of tables with ranges, and the aggregates that shards answer together."""

import pytest

from aggregation_pipeline.config.sql.merging import split_aggregate
from aggregation_pipeline.config.sql.shards import neighbours, split_tables, table_text
from aggregation_pipeline.config.sql.tokens import ExpressionError


@pytest.mark.parametrize(
    ("text", "count", "first", "last"),
    [
        ("orders", 1, "orders", "orders"),
        ("orders_{00..15}", 16, "orders_00", "orders_15"),
        ("orders_{8..11}", 4, "orders_8", "orders_11"),
        ("shop_{0..3}.orders_{00..15}", 64, "shop_0.orders_00", "shop_3.orders_15"),
        ("shop_0.o_{0..1}, shop_1.o_{2..3}", 4, "shop_0.o_0", "shop_1.o_3"),
        ("a,`b,c`.`d.{0..9}`", 2, "a", "b,c.d.{0..9}"),
        ("odd{1}", 1, "odd{1}", "odd{1}"),
        ("订单_{1..2}", 2, "订单_1", "订单_2"),
    ],
)
def test_a_text_names_tables(text: str, count: int, first: str, last: str):
    tables = split_tables(text)
    assert (len(tables), str(tables[0]), str(tables[-1])) == (count, first, last)
    assert [split_tables(table_text(table)) for table in tables] == [(table,) for table in tables]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("o_{15..0}", "the smaller one first"),
        ("o_{a..f}", "a range has two whole numbers, as in orders_{00..15}; write other names one by one"),
        ("o_{00..100}", "the same number of digits: {000..100}"),
        ("o_{0..99999}", "at most 4,096 tables"),
        ("o_{0..999}_{0..999}", "at most 4,096 tables"),
        ("o_{0..4000}, p_{0..4000}", "at most 4,096 tables"),
        ("o_{0..3}, O_2", "is there twice, and its rows would count twice"),
        ("o_1,", "one comma between them"),
        ("a.b.c", "a table as `orders` or `shop.orders` is expected"),
    ],
)
def test_other_texts_are_refused_with_what_is_expected(text: str, message: str):
    with pytest.raises(ValueError) as caught:  # the words are compared
        split_tables(text)
    assert message in str(caught.value)


def test_the_next_numbers_of_a_range_are_its_neighbours():
    assert [str(table) for table in neighbours("orders_{01..15}")] == ["orders_00", "orders_16"]
    assert [str(table) for table in neighbours("orders_{0..9}")] == ["orders_10"]
    assert [str(table) for table in neighbours("a_{0..1}.t_{0..1}")] == ["a_2.t_0", "a_2.t_1", "a_0.t_2", "a_1.t_2"]
    assert [str(table) for table in neighbours("s_0.t_{0..1}, s_1.t_{2..3}")] == ["s_0.t_2", "s_1.t_1", "s_1.t_4"]
    assert [str(table) for table in neighbours("a.t_08x, b.t_09x")] == ["a.t_07x", "a.t_09x", "b.t_08x", "b.t_10x"]
    assert [str(table) for table in neighbours("o_1, o_2,`o_4`")] == ["o_0", "o_3"]
    assert neighbours("orders") == []


@pytest.mark.parametrize(
    ("sql", "merged"),
    [
        ("COUNT(*)", "CAST(SUM(x) AS SIGNED)"),
        ("SUM(price * `qty`)", "SUM(x)"),
        ("AVG(IF(a = ')', 1, NULL))", "(SUM(x) / SUM(y))"),
        ("MIN(DISTINCT a)", "MIN(x)"),
        ("ROUND(SUM(a) / COUNT(b), 2)", "ROUND(SUM(x) / CAST(SUM(x) AS SIGNED), 2)"),
        ("IFNULL(MAX(`sum(`), 'SUM(a)')", "IFNULL(MAX(x), 'SUM(a)')"),
        ("NOW()", "NOW()"),
    ],
)
def test_calls_are_answered_by_each_shard(sql: str, merged: str):
    assert split_aggregate(sql).joined(lambda call: call.merged(["x", "y"])) == merged


@pytest.mark.parametrize(
    "sql",
    [
        *("COUNT(DISTINCT a)", "SUM(DISTINCT a)", "AVG(DISTINCT a)", "GROUP_CONCAT(a)", "STDDEV_POP(a)", "STD(a)"),
        *("VAR_SAMP(a)", "VARIANCE(a)", "BIT_OR(a)", "BIT_XOR(a)", "JSON_ARRAYAGG(a)", "ANY_VALUE(a)", "my_sum(a)"),
        *("SUM(a) OVER ()", "SUM(a) + b", "CONCAT(status, COUNT(*))", "(SELECT MAX(a) FROM t)", "shop.sum(a)"),
        *("COUNT(*) + (SELECT 1)", "1 + GROUP_CONCAT(a)", "RANK() OVER (ORDER BY SUM(a))"),
    ],
)
def test_what_shards_cannot_answer_together_is_refused(sql: str):
    with pytest.raises(ExpressionError, match="only COUNT, SUM, MIN, MAX and AVG"):
        split_aggregate(sql)

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from typing import Any

import pymysql
import pytest

from aggregation_pipeline.embedded import sample_data, sample_rows
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

# To load 200,000 rows takes seconds, and they seldom change.
pytestmark = pytest.mark.slow

# PyMySQL's arguments, a cursor on the loaded database, and the progress that was told.
Shop = tuple[dict[str, Any], "pymysql.cursors.Cursor", list[tuple[int, int]]]
TODAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def shop(seekdb: MySQLServer) -> Iterator[Shop]:
    connect = {"unix_socket": seekdb.unix_socket, "user": seekdb.user, "database": seekdb.fresh_database()}
    heard: list[tuple[int, int]] = []
    assert sample_data.load_sample_data(connect, today=TODAY, progress=lambda done, total: heard.append((done, total)))
    with seekdb.connect(database=connect["database"]) as connection, connection.cursor() as cursor:
        yield connect, cursor, heard


def one(cursor: "pymysql.cursors.Cursor", sql: str) -> Any:
    cursor.execute(sql)
    row = cursor.fetchone()
    assert row is not None
    return row if len(row) > 1 else row[0]


def test_the_same_day_gives_the_same_rows_and_another_day_moves_them():
    again = list(sample_rows.users(TODAY))
    assert list(sample_rows.users(TODAY)) == again
    assert list(sample_rows.products(TODAY)) == list(sample_rows.products(TODAY))
    assert hash(tuple(sample_rows.orders(TODAY))) == hash(tuple(sample_rows.orders(TODAY)))
    assert list(sample_rows.users(TODAY + timedelta(days=1))) != again


def test_the_shop_has_the_promised_rows_and_progress_ends_at_their_sum(shop: Shop):
    _, cursor, heard = shop
    assert [one(cursor, f"SELECT COUNT(*) FROM {table}") for table in ("users", "products", "orders")] == [
        5_000,
        500,
        200_000,
    ]
    assert heard[-1] == (205_500, 205_500)
    assert all(before[0] < after[0] for before, after in pairwise(heard))


def test_orders_span_the_ninety_days_before_the_anchor(shop: Shop):
    _, cursor, _ = shop
    first, last = one(cursor, "SELECT MIN(created_at), MAX(created_at) FROM orders")
    assert (first.date(), last.date()) == (TODAY - timedelta(days=90), TODAY - timedelta(days=1))
    assert one(cursor, "SELECT MAX(paid_at) FROM orders") < datetime.fromisoformat("2026-11-20")
    assert one(cursor, "SELECT COUNT(DISTINCT DATE(created_at)) FROM orders") == 90


def test_the_sample_tables_are_consistent(shop: Shop):
    _, cursor, _ = shop
    assert (
        one(cursor, "SELECT COUNT(*) FROM orders o JOIN users u ON u.id = o.user_id WHERE o.created_at < u.created_at")
        == 0
    )
    assert (
        one(
            cursor,
            "SELECT COUNT(*) FROM orders o LEFT JOIN products p ON p.id = o.product_id WHERE p.id IS NULL OR o.price >"
            " p.price",
        )
        == 0
    )
    assert (
        one(cursor, "SELECT COUNT(*) FROM orders WHERE (paid_at IS NULL) <> (status IN ('pending', 'cancelled'))") == 0
    )
    assert one(cursor, "SELECT COUNT(*) FROM users WHERE last_login_at < created_at") == 0


def test_nulls_decimals_chinese_and_emoji_are_there(shop: Shop):
    _, cursor, _ = shop
    for table, column in [
        ("users", "age"),
        ("users", "email"),
        ("orders", "paid_at"),
        ("orders", "note"),
        ("products", "tags"),
    ]:
        nulls, values = one(cursor, f"SELECT SUM({column} IS NULL), COUNT({column}) FROM {table}")
        assert nulls > 0, f"{table}.{column}"
        assert values > 0, f"{table}.{column}"
    assert one(cursor, "SELECT COUNT(*) FROM orders WHERE note LIKE '%🎂%'") > 1_000
    assert one(cursor, "SELECT COUNT(*) FROM users WHERE full_name LIKE '%王%'") > 50
    total = one(cursor, "SELECT SUM(price * quantity) FROM orders")
    assert isinstance(total, Decimal)
    assert total.as_tuple().exponent == -2
    assert isinstance(
        json.loads(one(cursor, "SELECT tags FROM products WHERE tags IS NOT NULL ORDER BY id LIMIT 1")), list
    )


def test_the_documented_example_for_users_finds_rows(shop: Shop):
    _, cursor, _ = shop
    cursor.execute(
        "SELECT status, DATE(created_at), COUNT(id), AVG(age) FROM users "
        "WHERE created_at >= DATE_SUB('2026-11-20', INTERVAL 7 DAY) GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert len(cursor.fetchall()) > 7


def test_loading_again_is_skipped_until_the_day_changes_or_a_load_was_cut_short(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    connect, cursor, _ = shop
    heard: list[tuple[int, int]] = []
    assert not sample_data.load_sample_data(connect, today=TODAY, progress=lambda *each: heard.append(each))
    assert heard == [(205_500, 205_500)]

    def cut(done: int, _total: int) -> None:
        if done > 5_500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample_data.load_sample_data(connect, today=TODAY + timedelta(days=1), progress=cut)
    # Neither day's data is whole now, so both would load; orders are shortened here only to keep the test quick.
    columns, _, _ = sample_data._TABLES["orders"]
    few = {**sample_data._TABLES, "orders": (columns, lambda today: islice(sample_rows.orders(today), 10), 10)}
    monkeypatch.setattr(sample_data, "_TABLES", few)
    assert sample_data.load_sample_data(connect, today=TODAY, progress=lambda *_: None)
    assert one(cursor, "SELECT COUNT(*) FROM orders") == 10

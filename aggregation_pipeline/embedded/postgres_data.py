"""Loads the sample shop into a PostgreSQL database: the rows of `sample_data`, in PostgreSQL's types."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Any, Final

import psycopg2

from aggregation_pipeline.embedded import sample_rows
from aggregation_pipeline.embedded.sample_data import VERSION

# Rows in one INSERT.
_BATCH: Final = 5_000
# The columns in the order of the rows: name, type, comment.
_TABLES: Final[Mapping[str, tuple[tuple[tuple[str, str, str], ...], Callable[[date], Iterator[str]], int]]] = {
    "users": (
        (
            ("id", "integer PRIMARY KEY", "用户编号, in the order of registration"),
            ("username", "varchar(50) NOT NULL UNIQUE", "login name"),
            ("full_name", "varchar(100) NOT NULL", "姓名"),
            ("email", "varchar(120)", "NULL: registered by phone"),
            ("status", "varchar(16) NOT NULL", "active, inactive, suspended or pending"),
            ("age", "smallint", "years; NULL: not told"),
            ("city", "varchar(40) NOT NULL", "城市"),
            ("balance", "numeric(12,2) NOT NULL", "钱包余额, CNY"),
            ("signature", "text", "个性签名"),
            ("created_at", "timestamp(0) NOT NULL", "registered, local time"),
            ("last_login_at", "timestamp(0)", "NULL: never"),
        ),
        sample_rows.users,
        sample_rows.USERS,
    ),
    "products": (
        (
            ("id", "integer PRIMARY KEY", "商品编号"),
            ("sku", "varchar(20) NOT NULL UNIQUE", "stock keeping unit"),
            ("name", "varchar(100) NOT NULL", "商品名称"),
            ("category", "varchar(40) NOT NULL", "类目"),
            ("price", "numeric(10,2) NOT NULL", "标价, CNY"),
            ("stock", "integer NOT NULL", "库存, pieces"),
            ("weight_kg", "numeric(8,3)", "NULL: not weighed yet"),
            ("tags", "jsonb", "array of labels"),
            ("created_at", "timestamp(0) NOT NULL", "listed, local time"),
        ),
        sample_rows.products,
        sample_rows.PRODUCTS,
    ),
    "orders": (
        (
            ("id", "bigint PRIMARY KEY", "订单编号"),
            ("user_id", "integer NOT NULL", "users.id"),
            ("product_id", "integer NOT NULL", "products.id"),
            ("quantity", "smallint NOT NULL", "件数"),
            ("price", "numeric(10,2) NOT NULL", "成交单价, CNY a piece"),
            ("status", "varchar(16) NOT NULL", "pending, paid, shipped, completed, cancelled or refunded"),
            ("channel", "varchar(16) NOT NULL", "下单渠道"),
            ("created_at", "timestamp(0) NOT NULL", "下单时间, local time"),
            ("paid_at", "timestamp(0)", "付款时间; NULL: not paid"),
            ("note", "varchar(200)", "买家留言"),
        ),
        sample_rows.orders,
        sample_rows.ORDERS,
    ),
}


def load_sample_data(
    connect: Mapping[str, Any], *, today: date, reader: str, progress: Callable[[int, int], None]
) -> bool:
    """Fill `users`, `products` and `orders` with the 90 days before `today`; return False if they have them already.

    All of it is one transaction, so an interrupted load leaves what was there.

    Args:
        connect: psycopg2's arguments with the database, whose tables of these names are replaced.
        today: the day after the last day of the shop.
        reader: the role that may read them.
        progress: is called with the number of rows that are loaded, and of all rows.
    """
    total = sum(count for _, _, count in _TABLES.values())
    with contextlib.closing(psycopg2.connect(**connect)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS _sample_data (version integer NOT NULL, anchor date NOT NULL)")
        cursor.execute("SELECT 1 FROM _sample_data WHERE version = %s AND anchor = %s", (VERSION, today))
        if cursor.fetchone():
            progress(total, total)
            return False
        done = 0
        for table, (columns, rows, _) in _TABLES.items():
            _make_table(cursor, table, columns)
            source = rows(today)
            while batch := list(islice(source, _BATCH)):
                cursor.execute(" ".join(("INSERT INTO", table, "VALUES", ",".join(batch))))
                done += len(batch)
                progress(done, total)
            cursor.execute(f"CREATE INDEX ON {table} (created_at)")
            cursor.execute(f"ANALYZE {table}")
        cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
        cursor.execute("DELETE FROM _sample_data")
        cursor.execute("INSERT INTO _sample_data VALUES (%s, %s)", (VERSION, today))
    return True


def _make_table(cursor: "psycopg2.extensions.cursor", table: str, columns: tuple[tuple[str, str, str], ...]) -> None:
    declared = ", ".join(f"{name} {kind}" for name, kind, _ in columns)
    cursor.execute(f"DROP TABLE IF EXISTS {table}")
    cursor.execute(f"CREATE TABLE {table} ({declared})")
    cursor.execute(f"COMMENT ON TABLE {table} IS 'sample shop'")
    for name, _, comment in columns:
        cursor.execute(f"COMMENT ON COLUMN {table}.{name} IS '{comment}'")

"""Loads the sample shop into a MySQL database: three tables, once a day."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Any

import pymysql

from aggregation_pipeline.embedded import sample_rows

# Raise it when the rows or the tables change: then a folder with older data is loaded again.
VERSION = 1
# Rows in one INSERT. On seekdb 1,000 is slower, and 5,000 is no faster.
_BATCH = 2_000
_TABLES: Mapping[str, tuple[str, Callable[[date], Iterator[str]], int]] = {
    "users": (
        """
        id            INT UNSIGNED NOT NULL COMMENT '用户编号, in the order of registration',
        username      VARCHAR(50) NOT NULL COMMENT 'login name',
        full_name     VARCHAR(100) NOT NULL COMMENT '姓名',
        email         VARCHAR(120) NULL COMMENT 'NULL: registered by phone',
        status        VARCHAR(16) NOT NULL COMMENT 'active, inactive, suspended or pending',
        age           TINYINT UNSIGNED NULL COMMENT 'years; NULL: not told',
        city          VARCHAR(40) NOT NULL COMMENT '城市',
        balance       DECIMAL(12,2) NOT NULL COMMENT '钱包余额, CNY',
        signature     VARCHAR(100) NULL COMMENT '个性签名',
        created_at    DATETIME NOT NULL COMMENT 'registered, local time',
        last_login_at DATETIME NULL COMMENT 'NULL: never',
        PRIMARY KEY (id), UNIQUE KEY uk_username (username), KEY idx_created_at (created_at)
        """,
        sample_rows.users,
        sample_rows.USERS,
    ),
    "products": (
        """
        id         INT UNSIGNED NOT NULL COMMENT '商品编号',
        sku        VARCHAR(20) NOT NULL COMMENT 'stock keeping unit',
        name       VARCHAR(100) NOT NULL COMMENT '商品名称',
        category   VARCHAR(40) NOT NULL COMMENT '类目',
        price      DECIMAL(10,2) NOT NULL COMMENT '标价, CNY',
        stock      INT NOT NULL COMMENT '库存, pieces',
        weight_kg  DECIMAL(8,3) NULL COMMENT 'NULL: not weighed yet',
        tags       JSON NULL COMMENT 'array of labels',
        created_at DATETIME NOT NULL COMMENT 'listed, local time',
        PRIMARY KEY (id), UNIQUE KEY uk_sku (sku), KEY idx_created_at (created_at)
        """,
        sample_rows.products,
        sample_rows.PRODUCTS,
    ),
    "orders": (
        """
        id         BIGINT UNSIGNED NOT NULL COMMENT '订单编号',
        user_id    INT UNSIGNED NOT NULL COMMENT 'users.id',
        product_id INT UNSIGNED NOT NULL COMMENT 'products.id',
        quantity   SMALLINT UNSIGNED NOT NULL COMMENT '件数',
        price      DECIMAL(10,2) NOT NULL COMMENT '成交单价, CNY a piece',
        status     VARCHAR(16) NOT NULL COMMENT 'pending, paid, shipped, completed, cancelled or refunded',
        channel    VARCHAR(16) NOT NULL COMMENT '下单渠道',
        created_at DATETIME NOT NULL COMMENT '下单时间, local time',
        paid_at    DATETIME NULL COMMENT '付款时间; NULL: not paid',
        note       VARCHAR(200) NULL COMMENT '买家留言',
        PRIMARY KEY (id), KEY idx_created_at (created_at), KEY idx_user_id (user_id)
        """,
        sample_rows.orders,
        sample_rows.ORDERS,
    ),
}


def foreign_tables(names: Collection[str]) -> list[str]:
    """Return those of a database's tables that `load_sample_data` would replace, unless it has made them itself."""
    return [] if "_sample_data" in names else sorted(_TABLES.keys() & names)


def load_sample_data(connect: Mapping[str, Any], *, today: date, progress: Callable[[int, int], None]) -> bool:
    """Fill `users`, `products` and `orders` with the 90 days before `today`; return False if they have them already.

    A mark is written after the last row, so an interrupted load is done again.

    Args:
        connect: PyMySQL's arguments with the database, whose tables of these names are replaced.
        today: the day after the last day of the shop.
        progress: is called with the number of rows that are loaded, and of all rows.
    """
    total = sum(count for _, _, count in _TABLES.values())
    with (
        pymysql.connect(**{"charset": "utf8mb4", **connect, "autocommit": True}) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS _sample_data (version INT NOT NULL, anchor DATE NOT NULL) COMMENT 'what the"
            " sample tables hold'"
        )
        cursor.execute("SELECT 1 FROM _sample_data WHERE version = %s AND anchor = %s", (VERSION, today))
        if cursor.fetchone():
            progress(total, total)
            return False
        cursor.execute("DELETE FROM _sample_data")
        done = 0
        for table, (columns, rows, _) in _TABLES.items():
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
            cursor.execute(f"CREATE TABLE {table} ({columns}) DEFAULT CHARSET utf8mb4 COMMENT 'sample shop'")
            source = rows(today)
            while batch := list(islice(source, _BATCH)):
                cursor.execute(f"INSERT INTO {table} VALUES {','.join(batch)}")  # noqa: S608 - both are our own constants
                done += len(batch)
                progress(done, total)
        cursor.execute("INSERT INTO _sample_data VALUES (%s, %s)", (VERSION, today))
    return True

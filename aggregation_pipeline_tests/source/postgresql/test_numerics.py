"""Digits of a numeric follow from those of the columns that it is computed from."""

import pytest

from aggregation_pipeline.source.postgresql.numerics import Digits, computed_digits, declared_digits
from aggregation_pipeline.source.postgresql.session import SourceColumn

PRICE = ((10 << 16) | 2) + 4
COLUMNS = {
    "price": SourceColumn("price", "numeric", "numeric(10,2)", PRICE),
    "n": SourceColumn("n", "int4", "integer"),
    "Big": SourceColumn("Big", "int8", "bigint"),
    "free": SourceColumn("free", "numeric", "numeric"),
    "f": SourceColumn("f", "float8", "double precision"),
}


@pytest.mark.parametrize(
    ("sql", "digits"),
    [
        ('SUM("price")', Digits(30, 2)),
        ("SUM(orders.price)", Digits(30, 2)),
        ('SUM("Big")', Digits(41, 0)),
        ("MAX(price)", Digits(8, 2)),
        ("SUM(price * n)", Digits(40, 2)),
        ("price * 0.9", Digits(9, 3)),
        ("price + n", Digits(11, 2)),
        ("-(price - 1)", Digits(9, 2)),
        ("COALESCE(SUM(price), 0)", Digits(30, 2)),
        ("SUM(CASE WHEN n > 1 THEN price ELSE 0 END)", Digits(30, 2)),
        ("SUM(price) FILTER (WHERE n > 1)", Digits(30, 2)),
        ("ROUND(price, 1)", Digits(9, 1)),
        ("n::numeric(12,3)", Digits(9, 3)),
        ("GREATEST(price, n)", Digits(10, 2)),
        ("AVG(price)", None),
        ("price / 3", None),
        ("SUM(free)", None),
        ("price * f", None),
        ("SUM(Big)", None),
        ("SUM(nowhere)", None),
        ("my_function(price)", None),
        ("SUM(price) OVER (PARTITION BY n)", None),
        ("not ( sql", None),
    ],
)
def test_digits_follow_or_are_not_known(sql: str, digits: Digits | None):
    assert computed_digits(sql, COLUMNS) == digits


@pytest.mark.parametrize(
    ("precision", "scale", "digits"),
    [(10, 2, Digits(8, 2)), (76, 0, Digits(76, 0)), (3, -2, Digits(5, 0)), (3, 5, Digits(0, 5)), (100, 2, None)],
)
def test_declarations_are_read_as_the_server_keeps_them(precision: int, scale: int, digits: Digits | None):
    assert declared_digits(((precision << 16) | (scale & 0x7FF)) + 4) == digits
    assert declared_digits(-1) is None

"""MySQL's constants such as CURRENT_DATE: a value where SQL is written, a column where a column is named."""

import datetime as dt
from typing import Any

import pytest

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline_tests.support.reading import Execute, Read, rows_of

DAY, CLOCK = dt.date(2026, 11, 21), dt.time(2)
MOMENT = dt.datetime.combine(DAY, CLOCK)
UTC_MOMENT = MOMENT - dt.timedelta(hours=8)
# As of the logical time, in Asia/Shanghai.
VALUES: dict[str, Any] = {
    "CURRENT_DATE": DAY,
    "CURRENT_TIME": "02:00:00",
    "CURRENT_TIMESTAMP": MOMENT,
    "LOCALTIME": MOMENT,
    "localtimestamp": MOMENT,
    "UTC_DATE": UTC_MOMENT.date(),
    "UTC_TIME": "18:00:00",
    "UTC_TIMESTAMP": UTC_MOMENT,
    "TRUE": 1,
    "false": 0,
    "NULL": None,
}


@pytest.mark.sample
def test_in_expr_a_word_is_its_value_and_in_backticks_or_alone_the_column(execute: Execute, read: Read):
    odd = ", ".join(f"`{word}` INT" for word in VALUES)
    execute(f"CREATE TABLE plain (id INT PRIMARY KEY); CREATE TABLE odd (id INT PRIMARY KEY, {odd})".split("; "))
    execute(
        [
            "INSERT INTO plain VALUES (1)",
            f"INSERT INTO odd VALUES (0, {', '.join(map(str, range(1, len(VALUES) + 1)))})",
        ]
    )
    words = [{"expr": word, "alias": f"as {word}"} for word in VALUES]
    for table in ("plain", "odd"):
        summary = read(name="t", table=table, groupBy=words, aggregations=[{"function": "COUNT", "alias": "n"}])
        assert list(rows_of(summary, "summary")[0].values()) == [*VALUES.values(), 1]
        detail = read(name="t", table=table, selectFields=words, where="CURRENT_DATE = '2026-11-21' AND TRUE")
        assert list(rows_of(detail)[0].values()) == list(VALUES.values())
    numbers = dict(zip(VALUES, range(1, len(VALUES) + 1), strict=True))
    assert rows_of(read(name="t", table="odd", selectFields=list(VALUES), orderBy=["null", "CURRENT_DATE desc"])) == [
        numbers
    ]
    quoted = read(name="t", table="odd", selectFields=[{"expr": f"`{word}`", "alias": word} for word in VALUES])
    assert rows_of(quoted) == [numbers]
    figures = read(
        name="t", table="odd", aggregations=[{"function": "MAX", "field": word, "alias": word} for word in VALUES]
    )
    assert rows_of(figures, "summary") == [numbers]


@pytest.mark.parametrize(
    ("keys", "spelling"),
    [
        ({"selectFields": ["CURRENT_DATE"]}, r"\{expr: CURRENT_DATE, alias: \.\.\.\}"),
        ({"selectFields": ["id"], "orderBy": ["utc_date"]}, r"\{expr: utc_date, alias: \.\.\.\}"),
        ({"aggregations": [{"function": "MAX", "field": "current_user"}]}, r"\{expr: current_user, alias: \.\.\.\}"),
        ({"selectFields": ["NOW"]}, r"\{expr: NOW\(\), alias: \.\.\.\}"),
        ({"selectFields": ["gone"]}, "compare the entry with SHOW COLUMNS"),
    ],
)
def test_a_column_that_is_not_there_but_a_word_of_mysql_gets_the_spelling(
    execute: Execute, read: Read, keys: Any, spelling: str
):
    execute("CREATE TABLE t (id INT PRIMARY KEY)")
    with pytest.raises(SourceError, match=rf"1054.*{spelling}"):
        read(name="t", **keys)

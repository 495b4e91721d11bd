"""The present is the run's logical time, or the entry is refused: the server's own clock decides no row."""

import psycopg2
import pytest

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline_tests.support.reading import Read, rows_of


@pytest.fixture(scope="module", autouse=True)
def table(client: "psycopg2.extensions.connection") -> None:
    with client.cursor() as cursor:
        cursor.execute("CREATE TABLE days (id int PRIMARY KEY, at timestamptz, day date, clock time, word text)")
        cursor.execute("INSERT INTO days VALUES (1, now(), current_date, '12:00', 'today'), (2, NULL, NULL, NULL, 'x')")


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("at >= 'today'", "'today'"),
        ("day BETWEEN 'Yesterday' AND '2026-01-01'", "'Yesterday'"),
        ("clock < ' now '", "' now '"),
        ("at >= CAST('now' AS timestamptz)", "'now'"),
        ("day = date('tomorrow')", r"'tomorrow'"),
        ("at = timestamp with time zone 'now'", "'now'"),
        ("at > E'now'::timestamptz", "E'now'"),
        ("at > 'today 12:00'", "'today 12:00'"),
        ("day = ANY ('{today}')", r"'\{today\}'"),
        ("day <@ '[yesterday,today)'::daterange", r"'\[yesterday,today\)'"),
        ("EXISTS (SELECT 1 FROM days AS d WHERE d.day = coalesce(days.day, 'today'))", "'today'"),
        ("word = 'today' AND day = 'today'", "'today'"),
        ("'now'::text::timestamptz > at", "'now'"),
        (r"at >= E'\x6eow'", r"E'\\x6eow'"),
        (r"day = E't\157d\u0061y'", r"E't\\157d\\u0061y'"),
        (r"at > E'\Now'::timestamptz", r"E'\\Now'"),
    ],
)
def test_a_text_that_the_server_reads_as_a_moment_is_refused(read: Read, sql: str, text: str):
    with pytest.raises(SourceError, match=rf"^{text} is a moment of the server's clock"):
        read(name="days", select_fields=["id"], where=sql)


def test_it_is_refused_in_every_part_of_an_entry(read: Read):
    figures = [{"expr": "COUNT(*) FILTER (WHERE day > 'today')", "alias": "n"}]
    for keys in (
        {"aggregations": figures},
        {"group_by": ["word"], "aggregations": [{"expr": "MAX(day)", "alias": "m"}], "having": "m > 'today'"},
        {"select_fields": ["id"], "order_by": "day > 'today'"},
    ):
        with pytest.raises(SourceError, match="'today' is a moment of the server's clock"):
            read(name="days", **keys)


@pytest.mark.parametrize(
    "sql",
    ["word = 'today'", "word IN ('now', 'today')", "word LIKE '%today%'", "word ~ 'today'", r"word = E't\x6fday'"],
)
def test_the_same_text_may_be_the_value_of_a_column(read: Read, sql: str):
    assert rows_of(read(name="days", select_fields=["id"], where=sql)) == [{"id": 1}]


@pytest.mark.parametrize(
    "sql", ['"now"()', "pg_catalog.now()", 'pg_catalog."transaction_timestamp"()', "pg_catalog.age(at)", '"age"(at)']
)
def test_other_spellings_of_its_functions_are_refused(read: Read, sql: str):
    with pytest.raises(SourceError, match="without a schema and without quotation marks here"):
        read(name="days", select_fields=[{"expr": sql, "alias": "x"}])


def test_two_moments_have_an_age_that_no_clock_changes(read: Read):
    (row, _) = rows_of(read(name="days", select_fields=[{"expr": "pg_catalog.age(day, day)", "alias": "x"}]))
    assert row == {"x": "00:00:00"}

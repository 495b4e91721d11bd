"""Masked columns of PostgreSQL: the same texts as of MySQL, and no way around the mask."""

import hmac
from typing import Any

import psycopg2
import pytest

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline_tests.source.postgresql.conftest import entry_of
from aggregation_pipeline_tests.support.reading import SALT, Execute, Read, rows_of

# As many letters as a name may have.
LONG = "电" * 21


@pytest.fixture(scope="module", autouse=True)
def people(client: "psycopg2.extensions.connection") -> None:
    with client.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE people (id int PRIMARY KEY, phone text, email text, born date, joined timestamptz,"
            " active boolean, photo bytea, pay numeric(10,2), caps text GENERATED ALWAYS AS (upper(phone)) STORED)"
        )
        cursor.execute(
            "INSERT INTO people VALUES (1, '13812345678', 'li@example.com', '1990-05-01', '2026-11-20 14:00+08', true,"
            " '\\x00ff', 10.5), (2, '张三', '', 'infinity', NULL, false, NULL, NULL)"
        )
        cursor.execute("CREATE VIEW people_view AS SELECT id, phone FROM people")
        cursor.execute("CREATE VIEW calls AS SELECT id, phone AS number FROM people")
        cursor.execute('CREATE VIEW "callsÜ" AS SELECT * FROM calls')
        cursor.execute("CREATE FUNCTION peek() RETURNS text LANGUAGE sql STABLE AS 'SELECT max(phone) FROM people'")
        cursor.execute("CREATE VIEW peeking AS SELECT 1 AS id, peek() AS x")
        cursor.execute(
            "CREATE FUNCTION initcap(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT max(phone) FROM people'"
        )
        cursor.execute("CREATE FUNCTION shown(people) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.phone'")
        cursor.execute("CREATE TABLE family (id int, phone text) PARTITION BY LIST (id)")
        cursor.execute("CREATE TABLE family_1 PARTITION OF family FOR VALUES IN (1)")


def digest(value: bytes) -> str:
    return hmac.digest(SALT.get_secret_value().encode(), value, "sha256").hex()


def test_cells_are_hashed_and_cut_as_those_of_mysql_are(read: Read):
    rules = {
        "phone": "partial",
        "email": "partial",
        **dict.fromkeys(["born", "joined", "active", "photo", "pay"], "hash"),
        "caps": "drop",
    }
    extract = read(name="people", select_fields=["*"], mask=rules)
    first, second = rows_of(extract)
    assert first == {
        "id": 1,
        "phone": "138****5678",
        "email": "l****@example.com",
        "born": digest(b"1990-05-01"),
        "joined": digest(b"2026-11-20 06:00:00"),
        "active": digest(b"1"),
        "photo": digest(b"\x00\xff"),
        "pay": digest(b"10.50"),
    }
    assert second == {
        **dict.fromkeys(["born", "joined", "photo", "pay"]),
        "id": 2,
        "phone": "张****",
        "email": "",
        "active": digest(b"0"),
    }
    assert extract.datasets[0].zero_dates == {"born": 1}
    assert extract.datasets[0].masks == rules
    assert {field.type for field in extract.datasets[0].schema if field.name != "id"} == {pa_string()}


def pa_string() -> object:
    import pyarrow as pa

    return pa.string()


def test_rows_are_ordered_by_a_keyed_hash_of_what_is_masked(execute: Execute, read: Read):
    numbers = range(13800000000, 13800000040)
    execute(
        [
            "CREATE TABLE lines (phone int8 PRIMARY KEY)",
            f"INSERT INTO lines SELECT generate_series({numbers[0]}, {numbers[-1]})",
        ]
    )
    keys: dict[str, Any] = {
        "name": "lines",
        "group_by": ["phone"],
        "aggregations": [{"function": "COUNT", "alias": "n"}],
        "select_fields": ["*"],
        "mask": {"phone": "hash"},
    }
    extract = read(**keys)
    # Before the next read, which replaces the files of this one.
    rows = {name: rows_of(extract, name) for name in ("summary", "detail")}
    ranks = {digest(str(number).encode()): rank for rank, number in enumerate(numbers)}
    for dataset in extract.datasets:
        order = [ranks[row["phone"]] for row in rows[dataset.name]]
        assert sorted(order) == list(range(40))
        assert order not in (sorted(order), sorted(order)[::-1])
        assert "current_setting('aggregation_pipeline.mask_order')" in dataset.sql
        assert SALT.get_secret_value() not in dataset.sql
    assert [dataset.order for dataset in extract.datasets] == [
        "group keys, masked ones by a keyed hash",
        "keyed hash of the primary key (phone)",
    ]
    again = read(**keys)
    assert {name: rows_of(again, name) for name in ("summary", "detail")} == rows


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"select_fields": ["id", {"expr": "caps", "alias": "x"}]}, "the server computes caps from masked columns"),
        ({"select_fields": ["id", {"expr": "to_jsonb(people)", "alias": "x"}]}, "people is the name of a table"),
        ({"select_fields": ["id", {"expr": "people::text", "alias": "x"}]}, "people is the name of a table"),
        ({"select_fields": ["id", {"expr": "to_jsonb(people.*)", "alias": "x"}]}, r"\* means all columns"),
        (
            {
                "select_fields": ["id", {"expr": "(SELECT max(p.b) FROM people AS p(a, b))", "alias": "x"}],
                "allow": {"tables": ["people"]},
            },
            "gives other names to the columns",
        ),
        (
            {"select_fields": ["id", {"expr": "(SELECT max(v.x) FROM Peeking AS v)", "alias": "x"}]},
            r"public\.peek\(\) is a stored function",
        ),
        (
            {"select_fields": ["id", {"expr": "(SELECT max(c.number) FROM calls AS c)", "alias": "x"}]},
            r"a view, or a table that holds others, leads to public\.people",
        ),
        (
            {"select_fields": ["id", {"expr": "(SELECT max(c.number) FROM CALLSÜ AS c)", "alias": "x"}]},
            r"a view, or a table that holds others, leads to public\.people",
        ),
        (
            {"select_fields": ["id", {"expr": f"upper({LONG}号)", "alias": "x"}]},
            r"^select_fields\[1\]: the name .* has 66",
        ),
        (
            {"select_fields": ["id"], "group_by": [f"{LONG}号"]},
            r"^group_by\[0\]: the name .* and PostgreSQL cuts names",
        ),
        (
            {"select_fields": ["id", {"expr": "(SELECT max((p).phone) FROM people p)", "alias": "x"}]},
            "whole rows|phone",
        ),
        ({"select_fields": ["id", {"expr": "peek()", "alias": "x"}]}, "a stored one can show masked columns"),
        ({"select_fields": ["id", {"expr": "initcap(id)", "alias": "x"}]}, r"initcap\(\) is a stored function"),
        ({"select_fields": ["id", {"expr": "people.shown", "alias": "x"}]}, "call the function"),
        ({"select_fields": ["id", {"expr": "people.to_jsonb", "alias": "x"}]}, "call the function"),
        ({"select_fields": ["id", {"expr": "(people).to_jsonb", "alias": "x"}]}, "people is the name of a table"),
        ({"select_fields": ["id"], "order_by": "people.concat"}, "call the function"),
        (
            {"select_fields": ["id", {"expr": "(SELECT max(most_common_vals::text) FROM pg_stats)", "alias": "x"}]},
            "stats",
        ),
    ],
)
def test_what_may_show_a_masked_column_is_refused(read: Read, keys: dict[str, object], words: str):
    shown = {"phone": "hash"}
    with pytest.raises((SourceError, ValueError), match=words):
        read(name="people", mask=shown, **{**keys, "select_fields": [*keys["select_fields"], "phone"]})  # type: ignore[misc]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("people_view", r"leads to public\.people, which has masked columns"),
        ("peeking", r"public\.peek\(\) is a stored function"),
        ("family_1", r"family_1 is a part of public\.family, which has masked columns"),
    ],
)
def test_other_ways_to_a_masked_table_are_refused(read: Read, table: str, words: str):
    owner = "family" if table == "family_1" else "people"
    masked = entry_of(name=owner, select_fields=["phone"], mask={"phone": "hash"})
    with pytest.raises(SourceError, match=words):
        read(name=table, select_fields=["id"], masked=masked.all_masked)


def test_a_stored_function_of_a_common_name_may_be_allowed(read: Read):
    keys = {"mask": {"phone": "hash"}, "allow": {"functions": ["initcap"]}, "where": "id = 1"}
    (row,) = rows_of(read(name="people", select_fields=["phone", {"expr": "initcap(email)", "alias": "x"}], **keys))
    assert row["x"] == "Li@Example.Com"


def test_a_mask_of_a_missing_column_stops_everything(execute: Execute, read: Read):
    with pytest.raises(SourceError, match=r"mask: phones: no such column\. Was phone meant\?"):
        read(name="people", select_fields=["*"], mask={"phones": "hash"})


def test_bytes_have_no_first_letter(read: Read):
    with pytest.raises(SourceError, match=r"mask: photo: partial needs text, and the column holds bytes"):
        read(name="people", select_fields=["photo"], mask={"photo": "partial"})

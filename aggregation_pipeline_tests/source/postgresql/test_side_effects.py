"""Functions that do more than read are refused, by name when the config is loaded, or as the server says."""

import psycopg2
import pytest
from pydantic import ValidationError

from aggregation_pipeline.errors import SnapshotError, SourceError
from aggregation_pipeline_tests.source.postgresql.conftest import entry_of
from aggregation_pipeline_tests.support.reading import Execute, Read, rows_of


@pytest.fixture(scope="module", autouse=True)
def table(client: "psycopg2.extensions.connection") -> None:
    with client.cursor() as cursor:
        cursor.execute("CREATE TABLE things (id int PRIMARY KEY, name text)")
        cursor.execute("INSERT INTO things VALUES (1, 'a')")
        cursor.execute("CREATE SEQUENCE counter")
        cursor.execute("CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'")
        cursor.execute("CREATE FUNCTION thrice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 3'")
        cursor.execute("CREATE FUNCTION \"Odd\"(int) RETURNS int LANGUAGE sql AS 'SELECT $1'")
        cursor.execute("CREATE FUNCTION roll(things) RETURNS float LANGUAGE sql VOLATILE AS 'SELECT random()'")
        cursor.execute("CREATE FUNCTION \"rollÜ\"() RETURNS float LANGUAGE sql VOLATILE AS 'SELECT random()'")
        cursor.execute("CREATE FUNCTION guess(int, int) RETURNS bool LANGUAGE sql AS 'SELECT random() < 0.5'")
        cursor.execute("CREATE OPERATOR <~> (LEFTARG = int, RIGHTARG = int, FUNCTION = guess)")
        cursor.execute("CREATE TYPE size AS (n float)")
        cursor.execute("CREATE FUNCTION size_of(text) RETURNS size LANGUAGE sql AS 'SELECT ROW(random())::size'")
        cursor.execute("CREATE CAST (text AS size) WITH FUNCTION size_of(text)")
        cursor.execute("CREATE FUNCTION days(size) RETURNS date LANGUAGE sql AS 'SELECT current_date'")
        cursor.execute("CREATE CAST (size AS date) WITH FUNCTION days(size)")
        cursor.execute("CREATE FUNCTION same(size, size) RETURNS bool LANGUAGE sql AS 'SELECT random() < 0.5'")
        cursor.execute("CREATE OPERATOR = (LEFTARG = size, RIGHTARG = size, FUNCTION = same)")
        cursor.execute("CREATE TABLE sizes (id int PRIMARY KEY, size size)")
        cursor.execute("CREATE SCHEMA tools")
        cursor.execute("CREATE FUNCTION tools.thrice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 3'")


@pytest.mark.parametrize(
    "sql",
    [
        "pg_sleep(1)",
        "random()",
        "nextval('counter')",
        "set_config('search_path', 'x', true)",
        "current_setting('aggregation_pipeline.mask_order')",
        "pg_read_file('/etc/passwd')",
        "lo_get(1)",
        "dblink('dbname=x', 'SELECT 1')",
        "pg_terminate_backend(1)",
        "pg_advisory_lock(1)",
        "pg_try_advisory_xact_lock(1)",
        "query_to_xml('SELECT 1', true, true, '')",
        "table_to_xml('things', true, true, '')",
        "clock_timestamp()",
        "(SELECT id FROM things FOR UPDATE)",
        "(SELECT id INTO x FROM things)",
        "(SELECT max(id) FROM things TABLESAMPLE SYSTEM (10))",
        'U&"na\\006de"',
        "$$text$$",
        "$1",
        "1; DROP TABLE things",
        "/* a /* b */ c */ 1",
        "gen_random_uuid()",
    ],
)
def test_it_is_refused_when_the_config_is_loaded(sql: str):
    with pytest.raises(ValidationError):
        entry_of(name="things", select_fields=[{"expr": sql, "alias": "x"}])


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("twice(id)", "twice"),
        ("TWICE (id)", "twice"),
        ('"Odd"(id)', "Odd"),
        # Only A to Z become small letters.
        ("ROLLÜ()", "rollÜ"),
        ("tools.thrice(id)", r"tools\.thrice"),
        ("(SELECT max(twice(t.id)) FROM things AS t)", "twice"),
        ("pg_catalog.pg_notify('a', 'b')", "pg_notify"),
        ("pg_database_size('x')", "pg_database_size"),
    ],
)
def test_it_is_refused_because_the_server_says_that_it_is_volatile(read: Read, sql: str, name: str):
    try:
        entry_of(name="things", select_fields=[{"expr": sql, "alias": "x"}])
    except ValidationError:
        # Already by name.
        assert name == "pg_notify"
        return
    with pytest.raises(SourceError, match=rf"select_fields\[0\]: {name}\(\) is VOLATILE on the server"):
        read(name="things", select_fields=[{"expr": sql, "alias": "x"}])


@pytest.mark.parametrize(
    ("name", "sql", "words"),
    [
        ("things", "id OPERATOR(public.<~>) 1", r"<~> calls guess\(\)"),
        ("things", "name::size IS NULL", r"cast from text to size calls size_of\(\)"),
        ("things", "CAST(name AS public.size) IS NULL", r"cast from text to size calls size_of\(\)"),
        ("sizes", "size::date IS NULL", r"cast from size to date calls days\(\)"),
        ("sizes", "size = size", r"= calls same\(\)"),
    ],
)
def test_operators_and_casts_that_call_such_a_function_are_refused(read: Read, name: str, sql: str, words: str):
    with pytest.raises(SourceError, match=rf"^where: {words}, which is VOLATILE on the server"):
        read(name=name, select_fields=["id"], where=sql)


def test_those_of_other_types_are_no_obstacle(read: Read):
    assert rows_of(read(name="things", select_fields=["id"], where="id = 1 AND name::text = '<~>'")) == []


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"select_fields": [{"expr": "things.roll", "alias": "x"}]}, r"select_fields\[0\]: things"),
        ({"select_fields": ["id"], "where": "things.to_jsonb IS NOT NULL"}, "where: things"),
        ({"select_fields": ["id"], "order_by": "things.ROLL DESC"}, r"order_by\[0\]: things"),
        ({"aggregations": [{"expr": "MAX(public.things.roll)", "alias": "x"}]}, r"aggregations\[0\]: things"),
        (
            {"select_fields": [{"expr": "(SELECT max(t.roll) FROM Things AS t)", "alias": "x"}]},
            r"select_fields\[0\]: t",
        ),
    ],
)
def test_a_function_that_is_called_like_a_column_is_refused(read: Read, keys: dict[str, object], place: str):
    with pytest.raises(SourceError, match=rf"^{place} has no column \w+, and .* would call the function"):
        read(name="things", **keys)


def test_columns_of_all_kinds_of_tables_are_named_with_them(read: Read):
    fields = [
        {"expr": "things.ctid::text", "alias": "own"},
        {"expr": "(SELECT max(t.name) FROM things AS t WHERE t.id = things.id)", "alias": "table"},
        {"expr": "(SELECT q.lower FROM (SELECT 'a' AS lower) AS q)", "alias": "derived"},
        {"expr": "(WITH w AS (SELECT 'b' AS upper) SELECT w.upper FROM w)", "alias": "common"},
        {"expr": "(SELECT e.value FROM jsonb_each_text('{\"k\": 1}') AS e)", "alias": "set"},
    ]
    (row,) = rows_of(read(name="things", select_fields=fields))
    assert row == {"own": "(0,1)", "table": "a", "derived": "a", "common": "b", "set": "1"}


def test_functions_that_only_read_are_taken(read: Read):
    fields = [
        {"expr": "thrice(id)", "alias": "three"},
        {"expr": "coalesce(nullif(name, ''), 'none') || upper(substring(name FROM 1 FOR 1))", "alias": "name"},
        {"expr": "(ARRAY[10, 20])[id]", "alias": "picked"},
        {"expr": "'{\"a\": {\"b\": 5}}'::jsonb #>> '{a,b}'", "alias": "path"},
        {"expr": "extract(year FROM date '2026-11-20')::int", "alias": "year"},
        {"expr": "CASE WHEN name LIKE 'a%' THEN E'it\\'s' END", "alias": "text"},
        {"expr": "'{\"a\": 1}'::jsonb ? 'a'", "alias": "has"},
        {"expr": "current_date", "alias": "today"},
        {"expr": "ARRAY[id, 2]", "alias": "list"},
    ]
    (row,) = rows_of(read(name="things", select_fields=fields))
    assert row["today"].isoformat() == "2026-11-21"
    assert {**row, "today": None} == {
        "three": 3,
        "name": "aA",
        "picked": 10,
        "path": "5",
        "year": 2026,
        "text": "it's",
        "has": True,
        "today": None,
        "list": "{1,2}",
    }


def test_what_writes_in_a_view_is_stopped_by_the_read_only_transaction(execute: Execute, read: Read):
    execute(
        [
            "CREATE TABLE log (at timestamp)",
            "CREATE FUNCTION note() RETURNS int LANGUAGE sql AS 'INSERT INTO log VALUES (now()) RETURNING 1'",
            "CREATE VIEW noting AS SELECT note() AS id",
        ]
    )
    with pytest.raises(SourceError, match=r"25006.*The statement would write, and the session is read-only"):
        read(name="noting", select_fields=["*"])


def test_tables_of_other_servers_have_other_moments(execute: Execute, read: Read):
    try:
        execute("CREATE EXTENSION IF NOT EXISTS file_fdw")
    except psycopg2.Error:
        pytest.skip("this server has no foreign data wrapper")
    execute(
        [
            "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
            "CREATE FOREIGN TABLE elsewhere (id text) SERVER files OPTIONS (filename '/dev/null')",
            "CREATE VIEW over_there AS SELECT * FROM elsewhere",
        ]
    )
    with pytest.raises(SnapshotError, match=r"public\.elsewhere is a foreign table"):
        read(name="over_there", select_fields=["*"])
    assert read(name="over_there", select_fields=["*"], consistency="none").consistency == "none"

"""What the server refuses is told in our words, without the value of a cell and without a secret."""

import threading
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg2
import pytest
from pydantic import SecretStr

from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.errors import to_source_error
from aggregation_pipeline.source.postgresql.reader import read_extract
from aggregation_pipeline.source.postgresql.session import open_session
from aggregation_pipeline.source.request import Arrivals, ReadRequest
from aggregation_pipeline_tests.source.postgresql.conftest import entry_of
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, Execute, Read, ignore_progress, rows_of
from aggregation_pipeline_tests.support.servers.handles import PostgresServer


@pytest.fixture(scope="module", autouse=True)
def table(client: "psycopg2.extensions.connection") -> None:
    with client.cursor() as cursor:
        cursor.execute('CREATE TABLE accounts (id int PRIMARY KEY, phone text, "createdAt" timestamp)')
        cursor.execute("INSERT INTO accounts VALUES (1, '13812345678', NULL)")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"select_fields": ["id", "phon"]},
            r"SQLSTATE 42703.*no column phon\. It is used in select_fields\[1\]\. Was phone meant\?",
        ),
        (
            {"where": "createdAt > '2026-01-01'"},
            r'no column createdAt\. It is used in where\. There is createdAt.*"createdAt"',
        ),
        ({"where": "phone = lost"}, r"no column lost\..*If it is a text, it has to be in single quotes: 'lost'"),
        ({"where": "id = phone"}, r"SQLSTATE 42883.*no function or operator.*near =.*cast it"),
        ({"where": "nofunction(id) = 1"}, r"42883.*near nofunction"),
        ({"table": "nowhere"}, r"SQLSTATE 42P01.*no table nowhere.*Check the entry's `table`"),
        ({"table": "sales.orders"}, r"no table sales\.orders"),
        ({"table": "acounts"}, r"no table acounts.*Was accounts meant\?"),
        ({"table": "Accounts"}, r"no table Accounts.*There is public\.accounts; the case of letters counts"),
        (
            {"group_by": ["phone"], "aggregations": [{"expr": "MAX(id) + id", "alias": "x"}]},
            r"42803.*column id is neither",
        ),
        ({"select_fields": [{"expr": "phone::int", "alias": "x"}]}, r"22003|22P02"),
        ({"select_fields": [{"expr": "phone::date", "alias": "x"}]}, r"22007|22008"),
    ],
)
def test_a_refusal_names_what_is_wrong_and_the_key(read: Read, keys: dict[str, object], words: str):
    with pytest.raises(SourceError, match=words) as caught:
        read(**{"name": "accounts", "select_fields": ["id"], **keys})
    assert "13812345678" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"user": "nobody"}, r"no user 'nobody' who may log in\. Check DB_USER"),
        ({"database": "nowhere"}, r"no database of that name\. Check DB_NAME"),
        ({"socket": None, "host": "host.invalid"}, r"no host of that name is known\. Check DB_HOST"),
    ],
)
def test_a_refused_login_is_no_fault_that_may_pass(options: SourceOptions, change: dict[str, object], words: str):
    with (
        pytest.raises(SourceError, match=words) as caught,
        open_session(replace(options, password=SecretStr("geheim"), **change), zone=ZoneInfo("UTC")),  # type: ignore[arg-type]
    ):
        pass
    assert not isinstance(caught.value, SourceLostError)
    assert "geheim" not in str(caught.value)


def test_a_server_that_is_not_there_may_come_back(options: SourceOptions, tmp_path: Path):
    with (
        pytest.raises(SourceLostError, match=r"no server answers there"),
        open_session(replace(options, socket=tmp_path), zone=ZoneInfo("UTC")),
    ):
        pass


def test_errors_name_the_variables_of_a_source_by_name(options: SourceOptions):
    with (
        pytest.raises(SourceError, match=r"Check DB_CRM_USER"),
        open_session(replace(options, user="nobody", name="crm"), zone=ZoneInfo("UTC")),
    ):
        pass


def test_a_statement_that_takes_too_long_is_ended_by_the_server(execute: Execute, read: Read):
    slow = {"expr": "(SELECT count(*) FROM generate_series(1, 300000000))", "alias": "x"}
    with pytest.raises(SourceError, match=r"57014.*took longer than it may.*timeout_seconds"):
        read(name="accounts", select_fields=[slow], source_limits={"timeout_seconds": 1})


def test_a_snapshot_that_lasts_too_long_is_ended(read: Read, tmp_path: Path):
    class Slow(Arrivals):
        def begin_dataset(self, dataset: Dataset) -> None:
            # As long as a slow disk would take.
            threading.Event().wait(1.1)

    with pytest.raises(SourceError, match=r"ended after max_snapshot_seconds = 1"):
        read(name="accounts", select_fields=["id"], source_limits={"max_snapshot_seconds": 1}, arrivals=Slow())
    assert list(tmp_path.iterdir()) == []


def test_waiting_for_a_lock_ends_and_may_be_repeated(client: "psycopg2.extensions.connection", read: Read):
    with client.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
        try:
            with pytest.raises(SourceLostError, match=r"another session holds a lock.*lock_wait_seconds"):
                read(name="accounts", select_fields=["id"], source_limits={"lock_wait_seconds": 1})
        finally:
            cursor.execute("ROLLBACK")


def test_a_session_that_is_killed_is_a_lost_connection(execute: Execute, read: Read, tmp_path: Path):
    class Killing(Arrivals):
        def begin(self, extract: object) -> None:
            execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'aggregation_pipeline' AND datname = current_database()"
            )

    with pytest.raises(SourceLostError, match=r"The run can be repeated; nothing was published"):
        read(name="accounts", select_fields=["id"], arrivals=Killing())
    assert list(tmp_path.iterdir()) == []


def test_what_a_function_says_is_not_repeated(execute: Execute, read: Read):
    execute(
        "CREATE FUNCTION tell(text) RETURNS int LANGUAGE plpgsql STABLE AS"
        " $$ BEGIN RAISE EXCEPTION 'no such column %', $1 USING ERRCODE = '42703'; END $$"
    )
    with pytest.raises(SourceError, match="SQLSTATE 42703") as caught:
        read(name="accounts", select_fields=[{"expr": "tell(phone)", "alias": "x"}])
    assert "13812345678" not in str(caught.value)


def test_a_right_that_is_missing_is_named(execute: Execute, options: SourceOptions, read: Read):
    execute(["CREATE ROLE reader LOGIN", "GRANT USAGE ON SCHEMA public TO reader"])
    request = ReadRequest(entry_of(name="accounts", select_fields=["id"]), "w", LOGICAL_TIME, ZONE)
    try:
        with pytest.raises(SourceError, match=r"42501.*DB_USER has no right to read accounts\. Grant USAGE"):
            read_extract(request, replace(options, user="reader"), Path("/nonexistent"), ignore_progress)
    finally:
        execute(["REVOKE USAGE ON SCHEMA public FROM reader", "DROP ROLE reader"])


def test_text_that_is_no_utf8_is_refused_in_a_database_without_an_encoding(
    source_postgres: PostgresServer, options: SourceOptions, tmp_path: Path
):
    name = f"{options.database}_ascii"
    source_postgres.server.execute(f"CREATE DATABASE {name} ENCODING SQL_ASCII TEMPLATE template0")
    connection = psycopg2.connect(host=str(options.socket), user="postgres", dbname=name)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE accounts (id int PRIMARY KEY, name text)")
            cursor.execute("INSERT INTO accounts VALUES (1, E'\\xe5\\xbc\\xa0'), (2, E'\\xff')")
        first = entry_of(name="accounts", select_fields=["name"], where="id = 1")
        request = ReadRequest(first, "w", LOGICAL_TIME, ZONE)
        there = replace(options, database=name)
        assert rows_of(read_extract(request, there, tmp_path, ignore_progress)) == [{"name": "张"}]
        request = replace(request, entry=entry_of(name="accounts", select_fields=["name"]))
        with pytest.raises(SourceError, match=r"SQLSTATE 22021.*has bytes that its character set does not have"):
            read_extract(request, there, tmp_path, ignore_progress)
    finally:
        connection.close()
        source_postgres.server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_closed_schema_is_told_from_a_missing_table(execute: Execute, options: SourceOptions, tmp_path: Path):
    execute(["CREATE ROLE outsider LOGIN", "REVOKE USAGE ON SCHEMA public FROM PUBLIC"])
    request = ReadRequest(entry_of(name="accounts", select_fields=["id"]), "w", LOGICAL_TIME, ZONE)
    try:
        with pytest.raises(SourceError, match=r"the account may not use its schema: GRANT USAGE ON SCHEMA \"public\""):
            read_extract(request, replace(options, user="outsider"), tmp_path, ignore_progress)
    finally:
        execute(["GRANT USAGE ON SCHEMA public TO PUBLIC", "DROP ROLE outsider"])


def test_a_session_that_a_replica_ends_may_be_repeated():
    said = "FATAL:  terminating connection due to conflict with recovery"
    error = to_source_error(OSError(said), where="db:5432", sql="SELECT 1")
    assert isinstance(error, SourceLostError)
    assert "Raise max_standby_streaming_delay on the replica" in str(error)
    assert isinstance(to_source_error(OSError("server closed the connection"), sql="SELECT 1"), SourceLostError)

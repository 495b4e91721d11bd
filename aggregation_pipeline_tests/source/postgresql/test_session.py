"""A session gives the same result whatever the server, the role and a pooler have set."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg2
import pytest

from aggregation_pipeline.errors import SettingsError, SourceError
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.connection import connection_text
from aggregation_pipeline.source.postgresql.kind import POSTGRESQL_KIND
from aggregation_pipeline.source.postgresql.reader import read_extract
from aggregation_pipeline.source.postgresql.session import Replica, open_session
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.tls import Tls
from aggregation_pipeline_tests.source.postgresql.conftest import entry_of
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, Execute, Read, ignore_progress, rows_of
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.servers.transaction_pooler import transaction_pooler

HOSTILE = {
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-10",
    "TimeZone": "America/New_York",
    "search_path": "other, public",
    "standard_conforming_strings": "off",
    "gin_fuzzy_search_limit": "1",
    "default_transaction_isolation": "read committed",
}


@pytest.fixture(scope="module")
def hostile(client: "psycopg2.extensions.connection", database: str) -> Iterator[None]:
    with client.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE odd (id int PRIMARY KEY, d interval, f float8, b text, at timestamptz, bs bytea[])"
        )
        cursor.execute(
            "INSERT INTO odd VALUES (1, '1 day 02:00', 0.1, 'a\\b', '2026-11-20 14:00+08', ARRAY['\\x00ff'::bytea])"
        )
        cursor.execute("CREATE SCHEMA other")
        cursor.execute("CREATE TABLE other.odd (id int)")
        for name, value in HOSTILE.items():
            cursor.execute(f"ALTER DATABASE {database} SET {name} = {value if name == 'search_path' else repr(value)}")
    yield
    with client.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {database} RESET ALL")


def test_settings_of_the_database_change_nothing(hostile: None, read: Read):
    extract = read(name="odd", select_fields=["id", "d", "f", "at", "bs"], where=r"b = 'a\b'")
    (row,) = rows_of(extract)
    assert row["at"].isoformat() == "2026-11-20T14:00:00+08:00"
    assert {**row, "at": None} == {"id": 1, "d": "1 day 02:00:00", "f": 0.1, "bs": '{"\\\\x00ff"}', "at": None}


def test_variables_of_this_machine_change_nothing(
    hostile: None, options: SourceOptions, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=1 -c DateStyle=German")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGAPPNAME", "somebody else")
    with open_session(options, zone=ZONE) as session:
        assert session.link.row(
            "SELECT current_setting('datestyle'), current_setting('application_name'), current_setting('timezone'),"
            " current_setting('statement_timeout'), current_setting('search_path')"
        ) == ("ISO, MDY", "aggregation_pipeline", "Asia/Shanghai", "30min", "public, pg_temp")
        assert session.server.startswith("PostgreSQL ")
        assert session.replica is None


def test_a_pooler_by_transactions_is_no_obstacle_and_inherits_nothing(
    hostile: None, options: SourceOptions, source_postgres: PostgresServer, tmp_path
):
    request = ReadRequest(
        entry_of(name="odd", select_fields=["id", "d"], aggregations=[{"function": "COUNT", "alias": "n"}]),
        "w",
        LOGICAL_TIME,
        ZONE,
    )
    with transaction_pooler(source_postgres.server.socket_folder / ".s.PGSQL.5432") as port:
        pooled = replace(options, socket=None, host="127.0.0.1", port=port)
        extract = read_extract(request, pooled, tmp_path, ignore_progress)
    assert rows_of(extract, "summary") == [{"n": 1}]
    assert rows_of(extract) == [{"id": 1, "d": "1 day 02:00:00"}]


def test_extensions_outside_of_public_compare_as_they_do_in_public(
    source_postgres: PostgresServer, options: SourceOptions, tmp_path: Path
):
    name = source_postgres.fresh_database().partition("?")[0].rpartition("/")[2]
    with closing(psycopg2.connect(host=str(options.socket), user="postgres", dbname=name)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'citext'")
            if cursor.fetchone() is None:
                pytest.skip("this server has no citext")
            cursor.execute('CREATE SCHEMA "Ex.t"')
            cursor.execute('CREATE EXTENSION citext SCHEMA "Ex.t"')
            cursor.execute('CREATE TABLE people (id int PRIMARY KEY, email "Ex.t".citext)')
            cursor.execute('CREATE TABLE "Ex.t".people (id int)')
            cursor.execute("INSERT INTO people VALUES (1, 'Li@Example.com')")
    entry = entry_of(name="people", select_fields=["*"], where="email = 'li@example.COM'")
    request = ReadRequest(entry, "w", LOGICAL_TIME, ZONE)
    extract = read_extract(request, replace(options, database=name), tmp_path, ignore_progress)
    assert rows_of(extract) == [{"id": 1, "email": "Li@Example.com"}]


def test_a_zone_that_the_server_does_not_know_is_named(options: SourceOptions):
    class Unknown:
        key = "Mars/Olympus"

    with (
        pytest.raises(SourceError, match=r"the server does not know the time zone Mars/Olympus"),
        open_session(options, zone=Unknown()),  # type: ignore[arg-type]
    ):
        pass


def test_the_text_for_libpq_quotes_everything_and_says_how_to_verify(options: SourceOptions):
    odd = replace(options, socket=None, host="db's", user="a b", tls=Tls("VERIFY_IDENTITY"))
    text = connection_text(odd)
    assert "host='db\\'s'" in text
    assert "user='a b'" in text
    assert "sslmode='verify-full' sslrootcert='system'" in text
    with pytest.raises(SettingsError, match=r"DB_SSL_CA: DB_SSL_MODE=VERIFY_CA needs"):
        connection_text(replace(odd, tls=Tls("VERIFY_CA")))


def test_tls_that_the_server_does_not_offer_is_told(options: SourceOptions, source_postgres: PostgresServer):
    with transaction_pooler(source_postgres.server.socket_folder / ".s.PGSQL.5432") as port:
        demanding = replace(options, socket=None, host="127.0.0.1", port=port, tls=Tls("REQUIRED"))
        check = POSTGRESQL_KIND.health_check(demanding, 5)
        with pytest.raises(SourceError, match=r"DB_SSL_MODE demands TLS, and the server offers none"):
            check()
        check.close()


def test_a_healthy_server_is_told_by_silence(options: SourceOptions):
    POSTGRESQL_KIND.health_check(options, 5)()


def test_a_replica_that_is_behind_the_window_is_said(hostile: None, options: SourceOptions):
    from aggregation_pipeline.source.postgresql.reader import replica_notes

    request = ReadRequest(entry_of(name="odd", select_fields=["id"]), "w", LOGICAL_TIME, ZONE)
    early = LOGICAL_TIME.replace(hour=3)
    with open_session(options, zone=ZoneInfo("UTC")) as session:
        for replica, words in (
            (None, ""),
            (Replica(caught_up=True, applied=early), ""),
            (Replica(caught_up=False, applied=LOGICAL_TIME), ""),
            (Replica(caught_up=False, applied=early), "had applied what was committed until 2026-11-20 03:00:00 UTC"),
            (Replica(caught_up=False, applied=None), "had applied nothing since its start"),
        ):
            notes = list(replica_notes(replace(session, replica=replica), request))
            assert [words in note for note in notes] == ([True] if words else [])


def test_the_session_is_gone_after_the_read(hostile: None, read: Read, execute: Execute, client, database: str):
    read(name="odd", select_fields=["id"])
    with client.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aggregation_pipeline' AND datname = %s AND"
            " state LIKE 'idle in transaction%%'",
            (database,),
        )
        assert cursor.fetchone() == (0,)

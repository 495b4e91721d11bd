"""The sessions of one run share a connection, and nothing else."""

import contextlib
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.source.kept_connections import kept_connections
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = pytest.mark.sample

# Different in each session, or a count of what it did.
_OWN = {"pseudo_thread_id", "rand_seed1", "rand_seed2", "last_gtid", "gtid_seq_no", "error_count", "warning_count"}
# OceanBase's share of memory for plans.
_OWN |= {"ob_plan_cache_percentage"}
_OWN |= {"identity", "insert_id", "last_insert_id", "in_transaction", "proxy_user", "external_user"}


def connection_id(session: Session) -> object:
    return session.row("SELECT CONNECTION_ID()")[0]


def variables(session: Session) -> dict[str | None, str | None]:
    rows = {name: value for name, value, *_ in session.rows("SHOW SESSION VARIABLES")[1]}
    return {name: value for name, value in rows.items() if name not in _OWN}


def test_a_session_on_a_used_connection_is_like_one_on_a_new_connection(mysql: MySQLServer):
    options = options_for(mysql, mysql.database)
    with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as fresh:
        expected = variables(fresh)
    with kept_connections():
        limits = SourceLimits(timeout_seconds=7, lock_wait_seconds=3)
        earlier = LOGICAL_TIME - timedelta(days=400)
        with open_session(options, logical_time=earlier, zone=ZoneInfo("America/New_York"), limits=limits) as first:
            first.connection.exec_driver_sql(
                "SET @secret = 42, SESSION sql_mode = '', SESSION div_precision_increment = 9"
            )
            if "legacy character sets" in mysql.capabilities:
                first.connection.exec_driver_sql("SET NAMES latin1")
            used = connection_id(first)
        with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as second:
            assert variables(second) == expected
            assert second.row("SELECT @secret")[0] is None
            assert second.row("SELECT '中文 😀'")[0] == "中文 😀"
            assert second.snapshot
            if mysql.name == "mariadb":
                assert connection_id(second) == used


def test_what_is_committed_between_two_sessions_is_seen_by_the_second(mysql: MySQLServer):
    database = mysql.fresh_database()
    options = options_for(mysql, database)
    with mysql.connect(database=database) as outside, outside.cursor() as cursor, kept_connections():
        cursor.execute("CREATE TABLE t (n INT)")
        for expected in (0, 1, 2):
            with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as session:
                assert session.row("SELECT COUNT(*) FROM t")[0] == expected
                cursor.execute("INSERT INTO t VALUES (1)")
                assert session.row("SELECT COUNT(*) FROM t")[0] == expected


def test_a_kept_connection_that_the_server_has_closed_is_replaced(mysql: MySQLServer):
    options = options_for(mysql, mysql.database)
    with kept_connections():
        with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as first:
            used = connection_id(first)
        with mysql.connect() as outside, outside.cursor() as cursor:
            cursor.execute(f"KILL {used}")
        with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as second:
            assert connection_id(second) != used


def test_no_connection_is_kept_after_an_error_or_after_the_run(mariadb: MySQLServer):
    options = options_for(mariadb, mariadb.database)
    ids = []
    for _ in range(2):
        with (
            kept_connections(),
            contextlib.suppress(ZeroDivisionError),
            open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as session,
        ):
            ids.append(connection_id(session))
            raise ZeroDivisionError
        with kept_connections(), open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as session:
            ids.append(connection_id(session))
        with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as session:
            ids.append(connection_id(session))
    assert len(set(ids)) == len(ids)


def test_a_server_with_statements_for_new_connections_gets_new_connections(mariadb: MySQLServer):
    options = options_for(mariadb, mariadb.database)
    with mariadb.connect() as outside, outside.cursor() as cursor, kept_connections():
        cursor.execute("SET GLOBAL init_connect = 'SET @role = 1'")
        try:
            with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as first:
                used = connection_id(first)
            with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as second:
                assert connection_id(second) != used
        finally:
            cursor.execute("SET GLOBAL init_connect = ''")

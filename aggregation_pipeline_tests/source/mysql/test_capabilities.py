"""A limit counts only if its unit is known and its value was read back; a snapshot only if the replies say so."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.errors import SnapshotError, SourceError, SourceLostError
from aggregation_pipeline.source.mysql.capabilities import Capabilities, StatementLimit, statement_limits
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, SALT, ZONE
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.packets import Column
from aggregation_pipeline_tests.support.servers.recordings import recorded
from aggregation_pipeline_tests.support.servers.replies import Done, Error, Reply, ResultSet


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"max_execution_time": "0", "innodb_lock_wait_timeout": "50"}, [("max_execution_time", 1000)]),
        ({"max_execution_time": "0", "tidb_snapshot": ""}, [("max_execution_time", 1000)]),
        # Nothing says what it counts.
        ({"max_execution_time": "0"}, []),
        ({"max_statement_time": "0.000000"}, [("max_statement_time", 1)]),
        # Percona Server 5.6 and 5.7.
        ({"max_statement_time": "0"}, [("max_statement_time", 1000)]),
        (
            {"ob_query_timeout": "10000000", "max_execution_time": "0", "innodb_lock_wait_timeout": "50"},
            [("ob_query_timeout", 1_000_000)],
        ),
        ({"query_timeout": "900", "max_execution_time": "900000"}, [("query_timeout", 1)]),
        ({}, []),
    ],
)
def test_the_unit_of_a_limit_follows_from_what_the_server_has(
    variables: Mapping[str, str], expected: list[tuple[str, int]]
):
    assert statement_limits(variables) == tuple(StatementLimit(*each) for each in expected)


def look(
    server: MySQLServer, folder: Path, name: str, script: list[tuple[str, Reply]] | None = None, **changes: object
) -> Capabilities:
    limits = SourceLimits(timeout_seconds=120)
    with recorded(name, server, folder, script, **changes) as replay:
        options = SourceOptions("test", replay.account.user, host="127.0.0.1", port=replay.port, mask_salt=SALT)
        with open_session(
            options, logical_time=LOGICAL_TIME, zone=ZONE, limits=limits, require_snapshot=False
        ) as session:
            return session.capabilities


def test_a_limit_that_is_capped_or_ignored_is_not_relied_upon(mysql56: MySQLServer, tmp_path: Path):
    for change in ({"capped": {"max_execution_time": 1000}}, {"ignored": ["max_execution_time"]}):
        can = look(mysql56, tmp_path, "mysql8", **change)
        assert can.statement_limits == ()
        assert can.unheld_limits == ("max_execution_time",)
        assert "max_execution_time did not take the value; max_snapshot_seconds closes the connection" in "".join(
            can.in_words()
        )


def test_a_limit_that_may_not_be_set_fails_nothing(mysql56: MySQLServer, tmp_path: Path):
    refused: list[tuple[str, Reply]] = [("^SET .*max_execution_time", Error(1227, "42000", "Access denied"))]
    can = look(mysql56, tmp_path, "mysql8", refused)
    assert (can.snapshot, can.statement_limits, can.logical_time) == ("transaction", (), True)


def test_the_time_of_now_has_to_be_settable_where_the_server_has_it(mysql56: MySQLServer, tmp_path: Path):
    refused: list[tuple[str, Reply]] = [("^SET .*timestamp = ", Error(1227, "42000", "Access denied"))]
    with pytest.raises(SourceError, match=r"DB_USER may not set timestamp, .*\(error 1227\).*SESSION_VARIABLES_ADMIN"):
        look(mysql56, tmp_path, "mysql8", refused)


def test_a_transaction_that_was_taken_and_not_begun_is_no_snapshot(mysql56: MySQLServer, tmp_path: Path):
    can = look(mysql56, tmp_path, "mysql8", [("^START TRANSACTION", Done())])
    assert (can.snapshot, can.no_snapshot) == ("none", "says after START TRANSACTION that there is no transaction")


def test_an_isolation_level_that_stays_low_is_no_snapshot(mysql56: MySQLServer, tmp_path: Path):
    can = look(mysql56, tmp_path, "mysql8", ignored=["transaction_isolation"])
    assert (can.snapshot, can.no_snapshot) == ("none", "stays at isolation level READ-COMMITTED")


def test_transactions_for_writing_are_not_begun_at_all(mysql56: MySQLServer, tmp_path: Path):
    with recorded("starrocks", mysql56, tmp_path) as replay:
        options = SourceOptions("test", replay.account.user, host="127.0.0.1", port=replay.port, mask_salt=SALT)
        with (
            pytest.raises(SnapshotError, match="has transactions for writing only"),
            open_session(options, logical_time=LOGICAL_TIME, zone=ZONE),
        ):
            pass
    assert not [sql for sql in replay.statements if sql.startswith("START")]


def test_a_server_that_answers_no_question_is_read_without_a_snapshot(mysql56: MySQLServer, tmp_path: Path):
    refused = Error(1064, "42000", "You have an error in your SQL syntax")
    mute: list[tuple[str, Reply]] = [
        (r"^(SET SESSION|SHOW|START)|@@|@mask_order|system\.settings", refused),
        (r"^SELECT DATABASE\(\)$", ResultSet([Column("DATABASE()")], [["test"]])),
    ]
    can = look(mysql56, tmp_path, "mysql8", mute)
    assert can == Capabilities(
        no_snapshot="takes no START TRANSACTION WITH CONSISTENT SNAPSHOT",
        read_only=False,
        logical_time=False,
        time_zone=False,
        user_variables=False,
    )
    assert len(list(can.in_words())) == 6


def test_a_server_that_goes_away_is_not_taken_for_one_that_cannot(mysql56: MySQLServer, tmp_path: Path):
    for statement in ("^SHOW VARIABLES", "^SET SESSION TRANSACTION", "^START", "^SELECT DATABASE"):
        with pytest.raises(SourceLostError):
            look(mysql56, tmp_path, "mysql8", [(statement, Error(1053, "08S01", "Server shutdown in progress"))])

"""An entry's limits on time, rows and scans hold for the source database."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, Read, options_for, rows_of
from aggregation_pipeline_tests.support.servers.chosen import on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

# Hours in any server, and nothing that a user is refused: each row is compared with all others.
SLOW = "(SELECT SUM(CRC32(CONCAT(a.s, b.s))) FROM t a, t b WHERE a.id <> t.id AND b.id <> t.id)"
# Limits are of one and two seconds; the rest is for a busy machine.
SOON = 90


@pytest.fixture(scope="module")
def database(mysql: MySQLServer) -> Iterator[str]:
    """`t` has 131,072 rows, with an index on h and none on g."""
    name = mysql.fresh_database()
    with mysql.connect(database=name) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, g INT, h INT, s VARCHAR(20), KEY by_h (h))")
        cursor.execute("INSERT INTO t (g, h, s) VALUES (1, 1, 'x')")
        for _ in range(17):
            cursor.execute("INSERT INTO t (g, h, s) SELECT id % 10, id, s FROM t")
    yield name
    # MySQL 5.6 goes on with a statement whose reader has gone, and has no limit for it.
    with mysql.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s AND command = 'Query'", (name,))
        for (number,) in cursor.fetchall():
            cursor.execute("KILL %s", (number,))


@pytest.mark.sample
def test_limits_go_to_the_server_under_its_own_names(mysql: MySQLServer):
    limits = SourceLimits(timeout_seconds=123, lock_wait_seconds=7, max_snapshot_seconds=600)
    expected: dict[str, dict[str, float]] = {
        "mariadb": {"max_statement_time": 123, "lock_wait_timeout": 7},
        "mysql56": {"lock_wait_timeout": 7},
        "seekdb": {"ob_query_timeout": 123e6, "ob_trx_timeout": 660e6},
    }
    later: dict[str, dict[str, float]] = {
        "mariadb": {"max_statement_time": 5},
        "mysql56": {},
        "seekdb": {"ob_query_timeout": 4.2e6},
    }

    def found(names: Iterable[str]) -> dict[str, float]:
        return {name: float(session.row(f"SELECT @@session.{name}")[0]) for name in names}

    with open_session(
        options_for(mysql, mysql.database), logical_time=LOGICAL_TIME, zone=ZONE, limits=limits
    ) as session:
        assert found(expected[mysql.name]) == expected[mysql.name]
        session.limit_statements(4.2)
        assert found(later[mysql.name]) == later[mysql.name]


# MySQL 5.6 has no limit on the time of a statement.
@on("seekdb", "mariadb")
def test_a_statement_that_takes_too_long_is_ended_by_the_server(mysql: MySQLServer, read: Read, tmp_path: Path):
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"longer than it may.*source_limits\.timeout_seconds") as caught:
        read(name="t", selectFields=[{"expr": SLOW, "alias": "n"}], sourceLimits={"timeout_seconds": 1})
    assert time.monotonic() - started < SOON
    assert not caught.value.retryable
    assert not list(tmp_path.iterdir())


def test_a_snapshot_that_stays_open_too_long_is_broken_off(read: Read, tmp_path: Path):
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"ended after max_snapshot_seconds = 2.*Nothing was published") as caught:
        read(name="t", selectFields=[{"expr": SLOW, "alias": "n"}], sourceLimits={"max_snapshot_seconds": 2})
    assert time.monotonic() - started < SOON
    assert not caught.value.retryable
    assert not list(tmp_path.iterdir())


def test_a_dataset_over_max_rows_fails_instead_of_being_cut(read: Read, tmp_path: Path):
    for keys, dataset in (({"selectFields": ["id"]}, "detail"), ({"groupBy": ["id"]}, "summary")):
        with pytest.raises(SourceError, match=rf"{dataset}: there are .* rows or more, over max_rows = 10\b.*limit"):
            read(name="t", **keys, sourceLimits={"max_rows": 10})
    assert not list(tmp_path.iterdir())
    kept = read(name="t", selectFields=["id"], limit=10, sourceLimits={"max_rows": 10})
    assert (kept.datasets[0].rows, kept.datasets[0].truncated) == (10, True)


def test_a_where_without_an_index_on_a_big_table_is_a_warning_or_an_error(read: Read):
    said: list[str] = []
    assert len(rows_of(read(warn=said.append, name="t", selectFields=["id"], where="g = 3 AND s = 'y'"))) == 0
    assert len(said) == 1
    assert "no index leads to the rows of its `where` (g = 3 AND s = 'y')" in said[0]
    with pytest.raises(SourceError, match=r"no index leads.*on_scan is error"):
        read(name="t", selectFields=["id"], where="g = 3", sourceLimits={"on_scan": "error"})
    assert len(rows_of(read(name="t", selectFields=["id"], where="h = 3", sourceLimits={"on_scan": "error"}))) >= 1


def test_an_estimate_above_max_scan_rows_is_said_before_anything_is_read(read: Read):
    with pytest.raises(
        SourceError, match=r"would read about 1[0-9]{2},[0-9]{3} rows of t, over max_scan_rows = 50,000"
    ):
        read(name="t", groupBy=["g"], sourceLimits={"max_scan_rows": 50_000, "on_scan": "error"})


def test_a_table_that_somebody_has_locked_is_not_waited_for(mariadb: MySQLServer, tmp_path: Path):
    from aggregation_pipeline.config.table_entry import TableEntry
    from aggregation_pipeline.source.mysql.reader import read_extract
    from aggregation_pipeline.source.request import ReadRequest
    from aggregation_pipeline_tests.support.reading import ignore_progress

    database = mariadb.fresh_database()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY)")
        cursor.execute("LOCK TABLES t WRITE")
        entry = TableEntry(name="t", select_fields=["id"], source_limits={"lock_wait_seconds": 1})
        with pytest.raises(SourceLostError, match="another session holds a lock"):
            read_extract(
                ReadRequest(entry, "w", LOGICAL_TIME, ZONE), options_for(mariadb, database), tmp_path, ignore_progress
            )

"""The state of a source table is known without reading its rows."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aggregation_pipeline.config.masked_columns import MaskedColumn
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.session import Session
from aggregation_pipeline.source.mysql.table_state import open_state_session, read_table_state
from aggregation_pipeline_tests.support.reading import ZONE, Execute, options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

Glance = Callable[[], AbstractContextManager[Session]]
TABLE = (
    "CREATE TABLE `{}` (id INT PRIMARY KEY, wall DATETIME, moment TIMESTAMP NULL, day DATE, bare DATETIME, second"
    " DATETIME, word CHAR, KEY (wall), KEY (moment), KEY (day, id), KEY two (id, second), KEY (word))"
)
ROWS = (
    "INSERT INTO `{}` VALUES (1, '2026-11-19 08:00:00', FROM_UNIXTIME(1795000000), '2026-11-18', NOW(), NOW(), 'x'),"
    " (2, '2026-11-20 08:00:00', FROM_UNIXTIME(1795100000), '2026-11-19', NOW(), NOW(), 'y'), (3, NULL, NULL, NULL,"
    " NULL, NULL, NULL)"
)


@pytest.fixture
def glance(mysql: MySQLServer, database: str) -> Glance:
    return lambda: open_state_session(options_for(mysql, database), ZONE)


@pytest.mark.sample
def test_the_newest_values_are_those_at_the_end_of_an_index(glance: Glance, execute: Execute):
    execute([TABLE.format("t"), ROWS.format("t"), "CREATE VIEW v AS SELECT * FROM t"])
    every = dict.fromkeys(("wall", "MOMENT", "day", "bare", "second", "word", "none"), ZoneInfo("America/New_York"))
    with glance() as session:
        state = read_table_state(session, TableName(None, "t"), every)
        # No index begins with the others, or they are no times.
        assert state.newest == {"wall": "2026-11-20 08:00:00", "MOMENT": state.newest["MOMENT"], "day": "2026-11-19"}
        assert state.newest_at == datetime(2026, 11, 20, 13, tzinfo=UTC)
        # A TIMESTAMP is an instant, whatever zone is said of it.
        assert read_table_state(session, TableName(None, "t"), {"moment": ZONE}).newest_at == datetime.fromtimestamp(
            1795100000, UTC
        )
        assert read_table_state(session, TableName(None, "v"), every).newest == {}


@pytest.mark.sample
def test_a_table_without_rows_or_with_an_odd_name_or_in_another_database_is_told_from_its_neighbours(
    glance: Glance, execute: Execute, mysql: MySQLServer
):
    other = mysql.fresh_database()
    names = ["a%b", "a_b", "axb", "a'b", "a\\b", "v1.t", "表", ":x"]
    execute([TABLE.format(name) for name in names])
    execute(
        [
            f"INSERT INTO `{name}` (id, wall) VALUES (1, '2026-11-0{number} 00:00:00')"
            for number, name in enumerate(names, start=1)
        ]
    )
    execute([f"CREATE TABLE `{other}`.axb (wall DATETIME, KEY (wall))"])
    with glance() as session:
        for number, name in enumerate(names, start=1):
            assert read_table_state(session, TableName(None, name), {"wall": ZONE}).newest == {
                "wall": f"2026-11-0{number} 00:00:00"
            }
        empty = read_table_state(session, TableName(other, "axb"), {"wall": ZONE})
        assert (empty.rows, empty.newest, empty.newest_at) == (None, {}, None)
        with pytest.raises(
            SourceError, match=r"there is no table axc, or DB_USER may not see it: check the entry's `table`"
        ):
            read_table_state(session, TableName(None, "axc"), {})


@pytest.mark.parametrize("mysql", ["mariadb"], indirect=True)
def test_what_is_masked_or_computed_from_it_is_not_told(glance: Glance, execute: Execute):
    keys = ", ".join(f"KEY ({name})" for name in ("born", "day", "later", "made"))
    computed = "day DATETIME AS (born) STORED, later DATETIME AS (day) STORED"
    execute(f"CREATE TABLE t (born DATETIME, {computed}, made DATETIME, {keys})")
    execute("INSERT INTO t (born, made) VALUES ('1999-09-09 09:09:09', '2026-11-20 08:00:00')")
    table = TableName(None, "t")
    masked = {TableName(None, "T"): {"born": MaskedColumn("born", "people")}}
    with glance() as session:
        state = read_table_state(session, table, dict.fromkeys(("born", "day", "LATER", "made"), ZONE), masked)
        assert state.newest == {"made": "2026-11-20 08:00:00"}
        assert read_table_state(session, table, {"day": ZONE}).newest == {"day": "1999-09-09 09:09:09"}


def test_zero_dates_are_no_instants(glance: Glance, execute: Execute):
    execute(
        ["CREATE TABLE t (wall DATETIME, KEY (wall))", "SET SESSION sql_mode = ''", "INSERT IGNORE INTO t VALUES (0)"]
    )
    with glance() as session:
        assert read_table_state(session, TableName(None, "t"), {"wall": ZONE}).newest_at is None


@pytest.mark.parametrize("mysql", ["mariadb"], indirect=True)
def test_the_servers_estimates_and_the_moment_of_the_last_write_are_told(glance: Glance, execute: Execute):
    execute([TABLE.format("t"), ROWS.format("t"), "ANALYZE TABLE t"])
    with glance() as session:
        state = read_table_state(session, TableName(None, "t"), {})
    assert state.rows == 3
    assert (state.bytes or 0) >= 16_384
    assert state.changed is not None
    assert abs(datetime.now(UTC) - state.changed) < timedelta(minutes=1)

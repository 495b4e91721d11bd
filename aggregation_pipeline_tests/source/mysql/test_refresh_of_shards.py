"""The keys of `refresh` over shards: one for each partition, of the rows of all shards."""

from pathlib import Path

import pytest

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline_tests.source.mysql.refreshed import DAYS, Table, changed, entry_of
from aggregation_pipeline_tests.support.reading import Execute
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

COLUMNS = (
    "(id INT PRIMARY KEY, dt DATETIME, at TIMESTAMP(6) NULL, price DECIMAL(20,4), half FLOAT, kind ENUM('z','a'), name"
    " VARCHAR(20), zero DATE, KEY (dt, at))"
)
EVERYTHING = (
    *("COUNT(*)", "MAX(at)", "MIN(dt)", "SUM(price)", "AVG(price)", "MAX(half)", "MAX(kind)", "MAX(name)", "MAX(zero)"),
    *("SUM(price * id) / COUNT(*)", "AVG(price / 3)", "CONCAT(SUM(price / 7))"),
)


@pytest.fixture
def table(mysql: MySQLServer, database: str, execute: Execute, tmp_path: Path) -> Table:
    """Four shards; the last has no rows, and the 26th has none in any."""
    execute(["SET time_zone = '+00:00'", "SET sql_mode = ''", *(f"CREATE TABLE e_{n} {COLUMNS}" for n in range(4))])
    execute(
        [
            f"INSERT INTO e_{n} VALUES"
            f" (1, '2026-10-24 12:00:00', '2026-10-24 10:00:0{n}', {n}.5, 0.1, 'a', 'b{n}', NULL),"
            f" (2, '2026-10-25 02:30:00', '2026-10-25 00:30:00', -{n}.25, 16777216, 'z', NULL, '2026-01-01')"
            for n in range(3)
        ]
    )
    return Table(mysql, database, tmp_path)


def test_a_change_in_any_shard_moves_the_key_that_runs_have_stored(table: Table, execute: Execute):
    entry, latest = entry_of(EVERYTHING, table="e_{0..3}"), entry_of("MAX(at)", table="e_{0..3}")
    ranges = table.ranges(entry, DAYS)
    assert table.asked_for(entry, ranges) == table.seen_by_runs(entry, ranges)
    for statement, days, latest_moves in (
        ("INSERT INTO e_3 (id, dt, at) VALUES (5, '2026-10-26', '2026-10-26')", DAYS[2:], True),
        ("UPDATE e_2 SET at = '2026-10-24 10:00:02.000001' WHERE id = 1", DAYS[:1], True),
        # Before the latest of the other shards: MAX does not notice it, and of one table it would not either.
        ("UPDATE e_0 SET at = '2026-10-24 10:00:00.5' WHERE id = 1", [], False),
        ("UPDATE e_1 SET price = price + 0.0001, at = at WHERE id = 2", DAYS[1:2], False),
        ("UPDATE e_0 SET zero = '2026-00-00', at = at WHERE id = 1", DAYS[:1], False),
        ("DELETE FROM e_3", DAYS[2:], True),
    ):
        before, before_latest = table.asked_for(entry, ranges), table.asked_for(latest, ranges)
        execute(["SET time_zone = '+00:00'", "SET sql_mode = ''", statement])
        assert changed(before, table.asked_for(entry, ranges)) == days, statement
        assert changed(before_latest, table.asked_for(latest, ranges)) == (days if latest_moves else []), statement
    assert table.asked_for(entry, ranges) == table.seen_by_runs(entry, ranges)


def test_a_row_that_moves_to_another_shard_is_no_change(table: Table, execute: Execute):
    entry = entry_of(EVERYTHING, table="e_{0..3}")
    ranges = table.ranges(entry, DAYS)
    before = table.asked_for(entry, ranges)
    execute(["SET sql_mode = ''", "INSERT INTO e_3 SELECT * FROM e_2 WHERE id = 1", "DELETE FROM e_2 WHERE id = 1"])
    assert table.asked_for(entry, ranges) == before


def test_a_shard_without_the_index_is_named(table: Table, execute: Execute):
    execute("ALTER TABLE e_2 DROP KEY dt")
    refused = entry_of("MAX(at)", table="e_{0..3}")
    with pytest.raises(
        SourceError, match=r"^refresh\.key: no index leads to .* by dt, so the server would read all of e_2 "
    ):
        table.asked_for(refused, table.ranges(refused, DAYS))
    execute("ALTER TABLE e_3 DROP KEY dt")
    with pytest.raises(SourceError, match=r"all of e_2 and 1 more of its shards for each window"):
        table.asked_for(refused, table.ranges(refused, DAYS))
    allowed = entry_of("MAX(at)", table="e_{0..3}", scanned=True)
    assert len(table.asked_for(allowed, table.ranges(allowed, DAYS))) == 3


def test_a_shard_that_is_gone_or_differs_is_named(table: Table, execute: Execute):
    entry = entry_of("MAX(at)", table="e_{0..3}")
    ranges = table.ranges(entry, DAYS)
    execute("ALTER TABLE e_1 MODIFY at DATETIME")
    with pytest.raises(SourceError, match=r"the column at of e_1 is datetime, and that of e_0 is timestamp"):
        table.asked_for(entry, ranges)
    execute("DROP TABLE e_3")
    with pytest.raises(SourceError, match=r"there is no e_3, or DB_USER may not read it"):
        table.asked_for(entry, ranges)


@pytest.mark.slow
def test_more_selects_than_a_server_plans_at_once_are_several_statements(table: Table, execute: Execute):
    execute([f"CREATE TABLE m_{n} LIKE e_0" for n in range(20)])
    entry = entry_of(
        "unused", table="m_{0..19}", every="hour", refresh={"look_back": "3d", "key": ["COUNT(*)", "MAX(at)"]}
    )
    ranges = table.ranges(entry, ["2026-10-24", "2026-10-25"])
    assert len(ranges) * len(entry.shards) > 900
    before = table.asked_for(entry, ranges)
    execute("INSERT INTO m_17 (id, dt) VALUES (7, '2026-10-25 12:05:06')")
    assert changed(before, table.asked_for(entry, ranges)) == ["2026-10-25-12:00"]

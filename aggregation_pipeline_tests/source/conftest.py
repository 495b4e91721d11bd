"""Fixtures that give a test a database on a server, and ways to fill and read it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import Progress, ReadRequest
from aggregation_pipeline_tests.support.reading import (
    LOGICAL_TIME,
    SERVERS_WITH_STORAGE_ENGINES,
    ZONE,
    Execute,
    Read,
    ignore_progress,
    options_for,
    run_on,
)
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


@pytest.fixture
def database(mysql: MySQLServer) -> str:
    return mysql.fresh_database()


@pytest.fixture
def execute(mysql: MySQLServer, database: str) -> Execute:
    def run(statements: str | Sequence[str]) -> None:
        run_on(mysql, database, [statements] if isinstance(statements, str) else statements)

    return run


@pytest.fixture
def read(mysql: MySQLServer, database: str, tmp_path: Path) -> Read:
    """Read an entry, given as the YAML's keys, at LOGICAL_TIME in Asia/Shanghai."""

    def run(
        progress: Progress = ignore_progress,
        zero_dates: str = "null",
        warn: Callable[[str], None] = pytest.fail,
        part: Callable[[str], None] = lambda _: None,
        **keys: object,
    ) -> Extract:
        entry = TableEntry.model_validate(keys)
        request = ReadRequest(entry, "2026-11-21", LOGICAL_TIME, ZONE, zero_dates)  # type: ignore[arg-type]
        return read_extract(request, options_for(mysql, database), tmp_path, progress, warn, part=part)

    return run


TABLES = [
    "CREATE TABLE inn (id INT PRIMARY KEY, v INT)",
    "CREATE TABLE par (id INT PRIMARY KEY, v INT) PARTITION BY HASH(id) PARTITIONS 2",
    "CREATE TABLE myi (id INT PRIMARY KEY, v INT) ENGINE=MyISAM",
    "CREATE TABLE myi_par (id INT PRIMARY KEY, v INT) ENGINE=MyISAM PARTITION BY HASH(id) PARTITIONS 2",
    "CREATE TABLE mem (id INT PRIMARY KEY, v INT) ENGINE=MEMORY",
    "CREATE TABLE csv_ (id INT NOT NULL, v INT NOT NULL) ENGINE=CSV",
    "CREATE TABLE mrg (id INT, v INT, KEY(id)) ENGINE=MyISAM",
    "CREATE TABLE merged (id INT, v INT, KEY(id)) ENGINE=MERGE UNION=(mrg)",
    "CREATE VIEW v_inn AS SELECT * FROM inn",
    "CREATE VIEW v_myi AS SELECT * FROM myi",
    "CREATE VIEW v_deep AS SELECT v_inn.id, (SELECT MAX(v) FROM v_myi) AS v FROM v_inn",
    "CREATE FUNCTION f_inn() RETURNS INT DETERMINISTIC READS SQL DATA RETURN (SELECT MAX(v) FROM myi)",
    "CREATE VIEW v_function AS SELECT id, f_inn() AS v FROM inn",
]
ACCOUNT = "reader_of_views"


@pytest.fixture(params=SERVERS_WITH_STORAGE_ENGINES)
def with_engines(request: pytest.FixtureRequest) -> MySQLServer:
    found: MySQLServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def mixed(with_engines: MySQLServer) -> str:
    """A database of tables with and without snapshots, and views over them."""
    database = with_engines.fresh_database()
    run_on(with_engines, database, TABLES)
    return database


@pytest.fixture
def account(with_engines: MySQLServer, mixed: str) -> Iterator[str]:
    """An account without rights."""
    run_on(with_engines, mixed, [f"CREATE USER {ACCOUNT}@'%'"])
    yield ACCOUNT
    run_on(with_engines, mixed, [f"DROP USER {ACCOUNT}@'%'"])

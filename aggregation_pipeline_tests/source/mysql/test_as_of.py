"""Where OceanBase would end a transaction too soon, every statement reads the same state by its number.

seekdb is behind a server that does not let a session raise ob_trx_timeout, as an administrator or a proxy may not.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pymysql
import pytest

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SnapshotError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.source.mysql.as_of import as_of
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import Arrivals, ReadRequest
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, SALT, ZONE, ignore_progress, rows_of, run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.replay import Replay, replaying
from aggregation_pipeline_tests.support.servers.replayed_variables import ReplayedVariables
from aggregation_pipeline_tests.support.servers.replies import Error
from aggregation_pipeline_tests.support.waiting import until

SHORT = 60_000_000
SCHEMA_TRY_AGAIN = 5627


@pytest.fixture
def impatient(seekdb: MySQLServer, tmp_path: Path) -> Iterator[Replay]:
    """seekdb, whose transactions last a minute at most."""
    variables = ReplayedVariables({"ob_trx_timeout": str(SHORT)}, capped={"ob_trx_timeout": SHORT})
    with replaying(seekdb, tmp_path, version="5.7.25-OceanBase-v4.3.5.2", variables=variables) as replay:
        yield replay


@pytest.fixture
def shop(seekdb: MySQLServer) -> str:
    """Tables with a row each, that are always written together; one has partitions, and views are over them."""
    database = seekdb.fresh_database()
    tables = ("t", "u", "p")
    statements = [
        "CREATE TABLE t (id INT PRIMARY KEY, g INT, KEY by_g (g))",
        "CREATE TABLE u (id INT PRIMARY KEY, g INT)",
        "CREATE TABLE p (id INT PRIMARY KEY, g INT) PARTITION BY HASH(id) PARTITIONS 4",
        *(f"INSERT INTO {table} VALUES (1, 1), (2, 1)" for table in tables),
        "CREATE VIEW all_t AS SELECT id, g, (SELECT COUNT(*) FROM u) AS others FROM t",
        "CREATE VIEW joined AS SELECT a.id, p.g, a.others FROM all_t a JOIN p ON p.id = a.id",
        "CREATE VIEW grouped AS SELECT g AS id, COUNT(*) AS g, (SELECT COUNT(*) FROM u) AS others FROM p GROUP BY 1",
        "CREATE FUNCTION how_many() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM u)",
        "CREATE VIEW calling AS SELECT id, how_many() AS g FROM t",
    ]
    for statement in statements:
        until("the definition", partial(_executed, seekdb, database, statement), 60)
    return database


def _executed(seekdb: MySQLServer, database: str, statement: str) -> bool:
    """Execute a statement; return False if seekdb is still at work on the last change of a definition."""
    try:
        run_on(seekdb, database, [statement])
    except pymysql.MySQLError as error:
        if error.args[0] != SCHEMA_TRY_AGAIN:
            raise
        return False
    return True


class Writer(Arrivals):
    """Writes before the first row of each dataset is read, when its rows are already counted."""

    def __init__(self, write: Callable[[], None]) -> None:
        self.write = write

    def begin_dataset(self, dataset: Dataset) -> None:
        del dataset
        self.write()


def read(
    replay: Replay, database: str, folder: Path, arrivals: Arrivals, zone: ZoneInfo = ZONE, **keys: object
) -> Extract:
    entry = TableEntry.model_validate({"sourceLimits": {"max_snapshot_seconds": 600}, **keys})
    options = SourceOptions(database, replay.account.user, host="127.0.0.1", port=replay.port, mask_salt=SALT)
    request = ReadRequest(entry, "2026-11-21", LOGICAL_TIME, zone)
    return read_extract(request, options, folder, ignore_progress, arrivals=arrivals)


def inserting(seekdb: MySQLServer, database: str) -> Writer:
    """Another row in each table, and one row less that was there before."""
    numbers = iter(range(10, 1000))

    def write() -> None:
        number = next(numbers)
        both = [f"INSERT INTO {table} VALUES ({number}, 1)" for table in "tup"]
        more = [f"INSERT INTO {table} VALUES ({number + 500}, 1)" for table in "tup"]
        run_on(seekdb, database, ["BEGIN", *both, *more, "COMMIT", *(f"DELETE FROM {t} WHERE id = 1" for t in "tup")])

    return Writer(write)


COUNT_U = "(SELECT COUNT(*) FROM u)"
COUNT_P = "(SELECT COUNT(*) FROM p AS x WHERE x.g = 1)"


@pytest.mark.parametrize(
    "table", ["joined", *(pytest.param(name, marks=pytest.mark.slow) for name in ("t", "p", "all_t"))]
)
def test_both_datasets_and_their_counts_are_of_one_state_while_others_write(
    impatient: Replay, seekdb: MySQLServer, shop: str, tmp_path: Path, table: str
):
    extract = read(
        impatient,
        shop,
        tmp_path,
        inserting(seekdb, shop),
        name=table,
        selectFields=["id", {"expr": COUNT_U, "alias": "u"}, {"expr": COUNT_P, "alias": "p"}],
        groupBy=["g"],
        aggregations=[{"function": "COUNT", "alias": "n"}, {"expr": f"MAX({COUNT_U})", "alias": "u"}],
    )
    assert extract.consistency == "snapshot"
    assert rows_of(extract, "summary") == [{"g": 1, "n": 2, "u": 2}]
    assert sorted(rows_of(extract), key=lambda row: row["id"]) == [{"id": 1, "u": 2, "p": 2}, {"id": 2, "u": 2, "p": 2}]
    assert len(set(re.findall(r" AS OF SNAPSHOT (\d+)", " ".join(impatient.statements)))) == 1
    assert impatient.statements.count("ROLLBACK") == 1
    # The files say which SQL is theirs, and not which state it read.
    assert all("SNAPSHOT" not in dataset.sql for dataset in extract.datasets)


@pytest.mark.slow
def test_a_view_that_groups_and_counts_elsewhere_is_of_that_state_too(
    impatient: Replay, seekdb: MySQLServer, shop: str, tmp_path: Path
):
    writer = inserting(seekdb, shop)
    extract = read(impatient, shop, tmp_path, writer, name="grouped", selectFields=["id", "g", "others"], order="none")
    assert rows_of(extract) == [{"id": 1, "g": 2, "others": 2}]


def test_a_state_that_is_gone_fails_with_words_and_leaves_nothing(
    impatient: Replay, seekdb: MySQLServer, shop: str, tmp_path: Path
):
    emptied = Writer(lambda: run_on(seekdb, shop, ["TRUNCATE TABLE t"]))
    with pytest.raises(
        SnapshotError, match=r"the state that .* is gone \(error 1412\).*undo_retention.*Nothing was pub"
    ):
        read(impatient, shop, tmp_path, emptied, name="t", selectFields=["id"], groupBy=["g"])
    assert list(tmp_path.glob("*.parquet")) == []


@pytest.mark.parametrize("code", [4138, 4344])
def test_a_state_older_than_the_server_keeps_fails_with_the_same_words(
    seekdb: MySQLServer, shop: str, tmp_path: Path, code: int
):
    """What OceanBase is documented to say, and what seekdb said after half an hour without undo_retention."""
    variables = ReplayedVariables({"ob_trx_timeout": str(SHORT)}, capped={"ob_trx_timeout": SHORT})
    too_old = [(r"^SELECT `id`.* AS OF SNAPSHOT", Error(code, "HY000", "snapshot discarded"))]
    with (
        replaying(seekdb, tmp_path, too_old, version="5.7.25-OceanBase-v4.3.5.2", variables=variables) as replay,
        pytest.raises(SnapshotError, match=rf"is gone \(error {code}\).*kept for undo_retention seconds"),
    ):
        read(replay, shop, tmp_path, Arrivals(), name="t", selectFields=["id"])
    assert list(tmp_path.glob("*.parquet")) == []


@pytest.mark.parametrize(
    "keys", [{"name": "t", "selectFields": [{"expr": "how_many()", "alias": "n"}]}, {"name": "calling"}]
)
def test_a_stored_function_which_would_read_the_present_is_refused(
    impatient: Replay, shop: str, tmp_path: Path, keys: dict[str, Any]
):
    keys = {"selectFields": ["id"], "zone": ZoneInfo("UTC"), **keys}
    with pytest.raises(SnapshotError, match=r"stored functions .*how_many.* would not read the state"):
        read(impatient, shop, tmp_path, Arrivals(), **keys)
    assert read(impatient, shop, tmp_path, Arrivals(), consistency="none", **keys).datasets[0].rows == 2


@pytest.mark.parametrize(
    ("answers", "expected"),
    [(("CURRENT_SCN",), "as_of"), (("CURRENT_SCN", "TIMESTAMP_SERVICE"), "transaction")],
)
def test_the_number_comes_from_a_view_where_there_is_no_function_and_else_the_transaction_has_to_do(
    seekdb: MySQLServer, tmp_path: Path, answers: tuple[str, ...], expected: str
):
    variables = ReplayedVariables({"ob_trx_timeout": str(SHORT)}, capped={"ob_trx_timeout": SHORT})
    refused = [(name, Error(1305, "42000", f"FUNCTION {name} does not exist")) for name in answers]
    limits = SourceLimits(max_snapshot_seconds=600)
    with replaying(seekdb, tmp_path, refused, version="5.7.25-OceanBase-v4.3.5.2", variables=variables) as replay:
        options = SourceOptions("test", replay.account.user, host="127.0.0.1", port=replay.port, mask_salt=SALT)
        with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE, limits=limits) as session:
            assert session.capabilities.snapshot == expected
            assert session.snapshot


def test_a_transaction_is_taken_where_it_lasts(seekdb: MySQLServer, impatient: Replay, shop: str):
    by_socket = SourceOptions(database=shop, user=seekdb.user, socket=Path(seekdb.unix_socket), mask_salt=SALT)
    through = SourceOptions(shop, impatient.account.user, host="127.0.0.1", port=impatient.port, mask_salt=SALT)
    for options, seconds, expected in (
        (by_socket, 604_800, "transaction"),
        (through, 60, "transaction"),
        (through, 61, "as_of"),
    ):
        limits = SourceLimits(max_snapshot_seconds=seconds)
        with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE, limits=limits) as session:
            assert session.capabilities.snapshot == expected


def test_every_table_of_a_statement_gets_the_number_and_nothing_else_does():
    sql = "WITH c AS (SELECT id FROM `t`) SELECT 'FROM t', c.id FROM c JOIN `db`.`t` AS x ON x.id IN (SELECT id FROM u)"
    assert as_of(sql, None) == sql
    assert as_of(sql, 7) == (
        "WITH c AS (SELECT id FROM `t` AS OF SNAPSHOT 7) SELECT 'FROM t', c.id FROM c JOIN `db`.`t` AS OF SNAPSHOT 7"
        " AS x ON x.id IN (SELECT id FROM u AS OF SNAPSHOT 7)"
    )
    with pytest.raises(SnapshotError, match="cannot be followed"):
        as_of("SELECT FROM WHERE (", 7)

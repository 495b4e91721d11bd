"""What MySQL 8 and 9 are documented to answer, by way of support/servers/replay.py."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pymysql.constants import FIELD_TYPE

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, SALT, ZONE, Read, ignore_progress
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.packets import BINARY, Column
from aggregation_pipeline_tests.support.servers.replay import Replay, replaying
from aggregation_pipeline_tests.support.servers.replies import Forward, Reply, ResultSet


@pytest.fixture(scope="module")
def shop(mysql56: MySQLServer) -> str:
    """A database with the table `t`: 1 and 2, `new` and NULL."""
    database = mysql56.fresh_database()
    with mysql56.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(20), v VARBINARY(12))")
        cursor.execute("INSERT INTO t VALUES (1, 'new', %s), (2, NULL, NULL)", (struct.pack("<3f", 1.5, -2.0, 0.1),))
    return database


def options_of(replay: Replay, database: str) -> SourceOptions:
    return SourceOptions(database, replay.account.user, host="127.0.0.1", port=replay.port, mask_salt=SALT)


def test_the_session_is_settled_by_the_names_that_mysql_8_has(mysql56: MySQLServer, shop: str, tmp_path: Path):
    with replaying(mysql56, tmp_path) as replay:
        limits = SourceLimits(timeout_seconds=123)
        with open_session(options_of(replay, shop), logical_time=LOGICAL_TIME, zone=ZONE, limits=limits) as session:
            assert session.row("SELECT @@session.max_execution_time")[0] == "123000"
            assert session.row("SELECT @@transaction_isolation")[0] == "REPEATABLE-READ"
            session.limit_statements(4.2)
            assert session.row("SELECT @@session.max_execution_time")[0] == "4200"
    assert not [
        statement
        for statement in replay.statements
        if "tx_isolation" in statement and "transaction_isolation" not in statement
    ]


@pytest.fixture
def read(mysql56: MySQLServer, shop: str, tmp_path: Path) -> Read:
    """Read an entry from a server with the script `said`."""

    def run(said: Sequence[tuple[str, Reply]], warn: Callable[[str], None] = pytest.fail, **keys: object) -> Extract:
        with replaying(mysql56, tmp_path, said, version="9.5.0") as replay:
            request = ReadRequest(TableEntry.model_validate({"name": "t", **keys}), "2026-11-21", LOGICAL_TIME, ZONE)
            return read_extract(request, options_of(replay, shop), tmp_path, ignore_progress, warn)

    return run


def test_a_vector_arrives_as_the_bytes_that_it_is(read: Read):
    """See https://dev.mysql.com/doc/refman/9.5/en/vector.html: little-endian floats, type 242 in the protocol."""
    column = Column("v", type_code=242, charset=BINARY, length=65532)
    extract = read([(r"^SELECT `id`, `v`\s+FROM", Forward(columns={1: column}))], select_fields=["id", "v"])
    table = pq.read_table(extract.datasets[0].path)
    assert table.column("v").to_pylist() == [struct.pack("<3f", 1.5, -2.0, 0.1), None]
    assert table.schema.field("v").metadata == {b"mysql_type": b"VECTOR"}


TREE = ResultSet([Column("EXPLAIN")], [["-> Table scan on t  (cost=0.45 rows=2)"]])


def test_a_tree_that_explain_alone_gives_since_9_5_is_not_asked_for(read: Read):
    """https://dev.mysql.com/doc/refman/9.5/en/explain.html"""
    read([(r"^EXPLAIN (?!FORMAT=TRADITIONAL )", TREE)], select_fields=["id"], source_limits={"on_scan": "error"})


def test_an_answer_of_explain_that_is_not_understood_is_an_error_where_scans_are(read: Read):
    said = [(r"^EXPLAIN ", TREE)]
    read(said, select_fields=["id"])
    with pytest.raises(
        SourceError, match=r"EXPLAIN answered in a form that is not understood \(EXPLAIN\).*on_scan is error"
    ):
        read(said, select_fields=["id"], source_limits={"on_scan": "error"})


def warning(code: int, message: str) -> list[tuple[str, Reply]]:
    """The script of a server that warns of each query."""
    columns = [Column("Level"), Column("Code", type_code=FIELD_TYPE.LONG), Column("Message")]
    listed = ResultSet(columns, [["Warning", str(code), message]])
    return [(r"^SHOW WARNINGS", listed), (r"^SELECT (?:`id`|COUNT\(\*\))\s+FROM", Forward(warnings=1))]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            1287,
            "'&& as a synonym for AND' is deprecated and will be removed in a future release. Please use AND instead",
        ),
        (
            3719,
            (
                "'utf8' is currently an alias for the character set UTF8MB3, but will be an alias for UTF8MB4 in a"
                " future release."
            ),
        ),
        (
            4095,
            (
                "Delimiter '/' in position 4 in datetime value '2026/01/01' at row 1 is deprecated. Prefer the standard"
                " '-'."
            ),
        ),
        (
            3170,
            (
                "Memory capacity of 8 bytes for 'range_optimizer_max_mem_size' exceeded. Range optimization was not"
                " done for this query."
            ),
        ),
    ],
)
def test_deprecated_words_are_published_and_said(read: Read, code: int, message: str):
    """https://dev.mysql.com/doc/mysql-errors/9.5/en/server-error-reference.html"""
    heard: list[str] = []
    assert read(warning(code, message), heard.append, select_fields=["id"]).datasets[0].rows == 2
    assert len(heard) == 1
    assert heard[0].startswith(f"detail: the server says about the entry, or about a view that it reads: {code} ")


def test_a_warning_of_mysql_8_about_a_value_stops_the_table(read: Read):
    with pytest.raises(SourceError, match=r"the server warned about the result.*1292"):
        read(warning(1292, "Truncated incorrect DOUBLE value: 'x'"), select_fields=["id"])

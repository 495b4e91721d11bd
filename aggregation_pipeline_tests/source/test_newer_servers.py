"""What MySQL 8 and 9 are documented to answer, which no server here answers by itself: see servers/replay.py."""

import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pymysql.constants import FIELD_TYPE

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.model import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.reader import ReadRequest, read_extract
from aggregation_pipeline.source.session import SourceOptions, open_session
from aggregation_pipeline_tests.servers.handles import MySQLServer
from aggregation_pipeline_tests.servers.packets import BINARY, Column
from aggregation_pipeline_tests.servers.replay import Behind, Replay, Reply, Rows, replaying
from aggregation_pipeline_tests.source.conftest import LOGICAL_TIME, SALT, ZONE, silent

Read = Callable[..., Extract]
Say = Callable[[str], None]
ROWS = r"^SELECT .*FROM `t`.*ORDER BY"


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
            assert session.scalar("SELECT @@session.max_execution_time") == "123000"
            assert session.scalar("SELECT @@transaction_isolation") == "REPEATABLE-READ"
            session.limit_statements(4.2)
            assert session.scalar("SELECT @@session.max_execution_time") == "4200"
    assert not [statement for statement in replay.statements if "tx_isolation" in statement and "transaction_isolation" not in statement]


@pytest.fixture
def read(mysql56: MySQLServer, shop: str, tmp_path: Path) -> Read:
    """Read an entry from a MySQL 9.5 that answers what the script says."""

    def run(said: Sequence[tuple[str, Reply]], warn: Say = pytest.fail, note: Say = pytest.fail, **keys: object) -> Extract:
        with replaying(mysql56, tmp_path, said, version="9.5.0") as replay:
            request = ReadRequest(TableEntry.model_validate({"name": "t", **keys}), "2026-11-21", LOGICAL_TIME, ZONE)
            return read_extract(request, options_of(replay, shop), tmp_path, silent, warn, note)

    return run


def test_a_vector_arrives_as_the_bytes_that_it_is(read: Read):
    """https://dev.mysql.com/doc/refman/9.5/en/vector.html: four bytes an entry, little-endian, type 242 in the protocol."""
    column = Column("v", type_code=242, charset=BINARY, length=65532)
    extract = read([(r"^SELECT `id`, `v`\s+FROM", Behind(columns={1: column}))], select_fields=["id", "v"])
    table = pq.read_table(extract.datasets[0].path)
    assert table.column("v").to_pylist() == [struct.pack("<3f", 1.5, -2.0, 0.1), None]
    assert table.schema.field("v").metadata == {b"mysql_type": b"VECTOR"}


DEPRECATIONS = (
    (1287, "'&&' is deprecated and will be removed in a future release. Please use AND instead"),
    (1681, "'BINARY as attribute of a type' is deprecated and will be removed in a future release."),
    (3719, "'utf8' is currently an alias for the character set UTF8MB3, but will be an alias for UTF8MB4 in a future release."),
    (4095, "Delimiter '/' in position 4 in datetime value '2026/01/01' at row 1 is deprecated. Prefer the standard '-'."),
)


def warnings_of(*listed: tuple[str, int, str]) -> list[tuple[str, Reply]]:
    """A script in which the rows come with such warnings."""
    columns = [Column("Level"), Column("Code", type_code=FIELD_TYPE.LONG, charset=BINARY, length=4), Column("Message")]
    rows = Rows(columns, [[level, str(code), message] for level, code, message in listed])
    return [(ROWS, Behind(warnings=len(listed))), (r"^SHOW WARNINGS", rows)]


def test_deprecated_words_are_told_and_stop_nothing(read: Read):
    said: list[str] = []
    script = warnings_of(*[("Warning", code, message) for code, message in DEPRECATIONS])
    extract = read(script, warn=said.append, select_fields=["id"], where="id > 0 && id < 9")
    assert pq.read_table(extract.datasets[0].path).column("id").to_pylist() == [1, 2]
    assert [str(code) for code, _ in DEPRECATIONS] == [re.findall(r"\b\d{4}\b", line)[0] for line in said]


def test_a_doubt_about_a_value_stops_the_table_beside_any_deprecation(read: Read):
    script = warnings_of(("Warning", *DEPRECATIONS[0]), ("Warning", 1292, "Truncated incorrect DOUBLE value: 'new'"))
    with pytest.raises(SourceError, match=r"warned about the result.*1292") as caught:
        read(script, select_fields=["id"])
    assert "new" not in str(caught.value)


TREE = "-> Filter: (t.id > 0)  (cost=0.45 rows=2)\n    -> Table scan on t  (cost=0.45 rows=2)\n"


def test_a_plan_in_the_shape_of_a_tree_is_never_asked_for_and_never_misread(read: Read):
    """https://dev.mysql.com/doc/refman/9.5/en/explain.html: EXPLAIN alone answers with a tree, FORMAT=TRADITIONAL as ever."""
    tree = Rows([Column("EXPLAIN")], [[TREE]])
    alone = (r"^EXPLAIN (?!FORMAT)", tree)
    read([alone, (r"^EXPLAIN FORMAT=TRADITIONAL (.*)", Behind(sql=r"EXPLAIN \1"))], select_fields=["id"], where="id > 0")
    # A server that answers with a tree all the same is not understood, and says so.
    notes: list[str] = []
    read([("^EXPLAIN", tree)], note=notes.append, select_fields=["id"], where="id > 0")
    assert len(notes) == 1
    assert "in a form that is not understood" in notes[0]
    with pytest.raises(SourceError, match=r"not understood.*on_scan is error"):
        read([("^EXPLAIN", tree)], select_fields=["id"], where="id > 0", source_limits={"on_scan": "error"})

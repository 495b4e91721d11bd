"""Files that mysql2, csv-writer, json2csv and SheetJS have written from a real server equal ours."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.comparison.comparing import WINDOW, compared, entry_of
from aggregation_pipeline_tests.comparison.node_service import WAYS, write_old_files
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ignore_progress, options_for, run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

COLUMNS = (
    "id BIGINT UNSIGNED PRIMARY KEY, flag TINYINT(1), small SMALLINT, big BIGINT, price DECIMAL(30,10), single FLOAT,"
    " ratio DOUBLE, bits BIT(5), made YEAR, day DATE, at DATETIME, exactly DATETIME(6), seen TIMESTAMP NULL,"
    " took TIME(3), code CHAR(5), name VARCHAR(100), body TEXT, raw BLOB, short VARBINARY(10), kind ENUM('a', 'b'),"
    " marks SET('x', 'y')"
)
ROWS = (
    """(1, 1, -3, 9007199254740993, 123456789012345678.1234567890, 1.1, 0.1, b'10101', 2026, '2026-11-20',
        '2026-11-20 23:59:59', '2026-11-20 01:02:03.456789', '2026-11-20 08:00:00', '-12:34:56.789', 'ab', '=1+1',
        'he said "hi",\\nnext', 'abc', x'00ff80', 'a', 'x,y')""",
    """(2, 0, NULL, -1, 0.10, 16777216, 1e21, b'0', 1901, '1900-01-01', '1890-01-01 00:00:00', NULL, NULL, '00:00:00',
        '', '', '', NULL, NULL, NULL, '')""",
    f"(3, {', '.join(['NULL'] * 5)}, 1e-7, {', '.join(['NULL'] * 14)})",
    """(18446744073709551615, 1, 32767, -9223372036854775808, -0.0000000001, -0.000001234, 123456.789, b'11111', 2155,
        '2026-07-01', '2026-07-01 12:00:00', '1999-12-31 23:59:59.999999', '2026-07-01 00:00:00.000', '100:00:00',
        '张三', 'a,b;c', '中文\\t\\r\\n换行', x'e4bda0', x'c3', 'b', 'y')""",
)
DOCUMENTS = ("""'{"a": [1, 2.50, "z"], "b": null}'""", "'[1, [2, null]]'", "NULL", """'"text"'""")

# How many of the documents are equal with a word of why. SheetJS leaves objects out.
EXPLAINED = {
    ("mariadb", "json"): 3,
    ("mariadb", "csv-writer"): 3,
    ("mariadb", "json2csv"): 3,
    ("mariadb", "excel"): 3,
    ("seekdb", "json"): 0,
    ("seekdb", "csv-writer"): 1,
    ("seekdb", "json2csv"): 0,
    ("seekdb", "excel"): 2,
}


def prepared(server: MySQLServer) -> str:
    database = server.fresh_database()
    rows = [f"{row.removesuffix(')')}, {document})" for row, document in zip(ROWS, DOCUMENTS, strict=True)]
    create = f"CREATE TABLE orders ({COLUMNS}, doc JSON)"
    run_on(server, database, ["SET time_zone = '+08:00'", create, f"INSERT INTO orders VALUES {', '.join(rows)}"])
    return database


def read(server: MySQLServer, database: str, entry: TableEntry, folder: Path) -> Extract:
    folder.mkdir()
    request = ReadRequest(entry, WINDOW, LOGICAL_TIME, ZoneInfo("Asia/Shanghai"))
    return read_extract(request, options_for(server, database), folder, ignore_progress)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC", "America/New_York"])
@pytest.mark.parametrize("kind", ["seekdb", "mariadb"])
def test_every_type_is_equal_in_every_way_to_write(
    kind: str, zone: str, tmp_path: Path, request: pytest.FixtureRequest
):
    server: MySQLServer = request.getfixturevalue(kind)
    database = prepared(server)
    old = write_old_files(server, database, {"orders": "SELECT * FROM orders"}, tmp_path / "old", zone)
    entry = entry_of(select_fields=["*"])
    # Of a TIMESTAMP mysql2 gets a reading of the session's clock, and takes it for one of its own. seekdb's sessions
    # are in Shanghai, MariaDB's in UTC.
    same_clock = zone == ("Asia/Shanghai" if kind == "seekdb" else "UTC")
    for way in WAYS:
        extract = read(server, database, entry, tmp_path / way)
        folder, ours = tmp_path / f"{way}-compared", ZoneInfo(zone)
        result = compared(folder, entry, extract, old / way, zone=ours, within=timedelta(days=1))
        found = {name for name, column in result.columns.items() if column.differing}
        # MariaDB's JSON columns are LONGTEXT, of which mysql2 makes values all the same.
        assert result.columns["doc"].notes.total() == EXPLAINED[kind, way]
        assert (result.problem, found) == (None, set() if same_clock else {"seen"}), result
        assert [reason.column for reason in result.reasons] == ([] if same_clock else ["seen"])
        assert same_clock or result.reasons[0].code.startswith("time_zone")

"""FLOAT and DOUBLE arrive with all their bits, although the protocol sends a FLOAT with six digits."""

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline_tests.support.reading import Execute, Read, ignore_progress, options_for, rows_of
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

SINGLE = (16777217.0, 0.1, 1 / 3, 3.4028234663852886e38, 1.17549435e-38, 1e-45, -123456.789, 1e10, 0.0)


def single(value: float) -> float:
    """The float32 next to a value, as a Python float."""
    found: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return found


def test_every_way_to_a_float_gives_the_nearest_float32(execute: Execute, read: Read):
    execute("CREATE TABLE f (id INT PRIMARY KEY, f FLOAT, u FLOAT UNSIGNED, two FLOAT(10,2), d DOUBLE)")
    execute(
        f"INSERT INTO f VALUES {', '.join(f'({n}, {v!r}, {abs(v)!r}, 1234.567, {v!r})' for n, v in enumerate(SINGLE))}"
    )
    execute("INSERT INTO f (id) VALUES (99)")
    for fields in (["*"], ["id", "f", "u", "two", "d"]):
        extract = read(name="f", selectFields=fields)
        assert [str(field.type) for field in extract.datasets[0].schema] == [
            "int32",
            "float",
            "float",
            "double",
            "double",
        ]
        assert rows_of(extract) == [
            *(
                {"id": n, "f": single(value), "u": single(abs(value)), "two": 1234.57, "d": value}
                for n, value in enumerate(SINGLE)
            ),
            {"id": 99, "f": None, "u": None, "two": None, "d": None},
        ]
    summary = read(
        name="f",
        groupBy=[{"expr": "f", "alias": "key"}],
        aggregations=[
            {"function": "MAX", "field": "f", "alias": "most"},
            {"function": "SUM", "field": "f", "alias": "sum"},
        ],
        where="id = 2",
    )
    assert rows_of(summary, "summary") == [{"key": single(1 / 3), "most": single(1 / 3), "sum": single(1 / 3)}]


@pytest.mark.parametrize("server", [pytest.param("seekdb", marks=pytest.mark.slow), "mariadb"])
def test_any_float_and_double_comes_back_bit_for_bit(
    server: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
):
    from aggregation_pipeline.config.table_entry import TableEntry
    from aggregation_pipeline.source.mysql.reader import read_extract
    from aggregation_pipeline.source.request import ReadRequest
    from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE

    mysql: MySQLServer = request.getfixturevalue(server)
    database = mysql.fresh_database()
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE f (id INT PRIMARY KEY, f FLOAT, d DOUBLE)")

    finite: dict[str, Any] = {"allow_nan": False, "allow_infinity": False}

    @settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(st.lists(st.tuples(st.floats(width=32, **finite), st.floats(**finite)), min_size=1, max_size=100))
    def check(rows: list[tuple[float, float]]):
        with mysql.connect(database=database) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM f")
            values = ", ".join(f"({number}, {one!r}, {two!r})" for number, (one, two) in enumerate(rows))
            cursor.execute(f"INSERT INTO f VALUES {values}")
        request_ = ReadRequest(TableEntry(name="f", select_fields=["f", "d"]), "w", LOGICAL_TIME, ZONE)
        extract = read_extract(request_, options_for(mysql, database), tmp_path_factory.mktemp("f"), ignore_progress)
        # 0.0 == -0.0: servers keep no sign of zero in a literal.
        assert [tuple(row.values()) for row in rows_of(extract)] == rows

    check()


@pytest.mark.sample
def test_minus_zero_is_what_the_server_says_that_it_is(mysql, database, execute, read):
    execute(
        [
            "CREATE TABLE f (id INT PRIMARY KEY, f FLOAT)",
            "INSERT INTO f VALUES (1, -0e0), (2, 0), (3, -1)",
            "UPDATE f SET f = f * 0 WHERE id = 3",
        ]
    )
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CONCAT(f) FROM f ORDER BY id")
        shown = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT COUNT(*) FROM f GROUP BY f")
        groups = len(cursor.fetchall())
    extract = read(name="f", select_fields=["f"], group_by=["f"])
    assert [f"{row['f']:g}" for row in rows_of(extract)] == shown
    assert len(rows_of(extract, "summary")) == groups

"""Tables that are emptied, rewritten or replaced while a session with an older snapshot waits for them.

PostgreSQL shows such a table without the rows that the snapshot had: an export of nothing would follow.
"""

import threading
from collections.abc import Callable, Sequence

import psycopg2
import pytest

from aggregation_pipeline.errors import SourceLostError
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.source.request import Arrivals
from aggregation_pipeline_tests.support.reading import Execute, Read, rows_of
from aggregation_pipeline_tests.support.waiting import until

WHOLE = ["CREATE TABLE stock (id int PRIMARY KEY, n int)", "INSERT INTO stock VALUES (1, 1), (2, 2)"]
IN_PARTS = [
    "CREATE TABLE stock (id int PRIMARY KEY, n int) PARTITION BY LIST (id)",
    "CREATE TABLE part_1 PARTITION OF stock FOR VALUES IN (1)",
    "CREATE TABLE part_2 PARTITION OF stock FOR VALUES IN (2)",
    "INSERT INTO stock VALUES (1, 1), (2, 2)",
]
VIEWED = [*WHOLE, "ALTER TABLE stock RENAME TO behind", "CREATE VIEW stock AS SELECT * FROM behind"]
Meanwhile = Callable[[Sequence[str], Callable[[], object]], None]


@pytest.fixture
def meanwhile(client: "psycopg2.extensions.connection", execute: Execute) -> Meanwhile:
    """Run statements in a transaction that is committed when what was called waits behind it."""

    def run(statements: Sequence[str], call: Callable[[], object]) -> None:
        waits = (
            "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database"
            " WHERE d.datname = current_database() AND NOT l.granted"
        )

        def is_waiting(cursor: "psycopg2.extensions.cursor") -> bool:
            cursor.execute(waits)
            return cursor.fetchone() != (0,)

        other = psycopg2.connect(client.dsn)
        try:
            with other.cursor() as cursor, client.cursor() as looking:
                for statement in statements:
                    cursor.execute(statement)
                reading = threading.Thread(target=call)
                reading.start()
                until("the reader to wait", lambda: is_waiting(looking) or not reading.is_alive())
                other.commit()
                reading.join()
        finally:
            other.close()

    return run


@pytest.mark.parametrize(
    ("tables", "statements"),
    [
        (WHOLE, ["TRUNCATE stock", "INSERT INTO stock VALUES (3, 3)"]),
        (WHOLE, ["ALTER TABLE stock ALTER n TYPE text"]),
        (WHOLE, ["ALTER TABLE stock RENAME TO former", "CREATE TABLE stock (id int, n int)"]),
        (WHOLE, ["DROP TABLE stock", "CREATE TABLE stock (id int, n int)"]),
        (VIEWED, ["TRUNCATE behind"]),
        (IN_PARTS, ["TRUNCATE part_1"]),
        (IN_PARTS, ["DROP TABLE part_1"]),
        (IN_PARTS, ["ALTER TABLE stock DETACH PARTITION part_1"]),
    ],
)
def test_rows_that_the_snapshot_lost_fail_the_read_and_are_there_the_next_time(
    execute: Execute, read: Read, meanwhile: Meanwhile, tables: list[str], statements: list[str]
):
    execute(["DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *tables])
    problems = []

    def reading() -> None:
        with pytest.raises(SourceLostError) as caught:
            read(name="stock", select_fields=["*"], aggregations=[{"function": "COUNT", "alias": "n"}])
        problems.append(str(caught.value))

    meanwhile(statements, reading)
    assert len(problems) == 1
    assert problems[0].startswith("stock: a table that the entry reads was emptied, rewritten or replaced")
    read(name="stock", select_fields=["*"])


@pytest.mark.parametrize(
    ("tables", "statements"),
    [
        (WHOLE, ["LOCK TABLE stock", "DELETE FROM stock", "ALTER TABLE stock ADD COLUMN more int DEFAULT 1"]),
        (IN_PARTS, ["CREATE TABLE part_3 PARTITION OF stock FOR VALUES IN (3)", "INSERT INTO stock VALUES (3, 3)"]),
    ],
)
def test_what_keeps_the_rows_of_the_snapshot_is_no_obstacle(
    execute: Execute, read: Read, meanwhile: Meanwhile, tables: list[str], statements: list[str]
):
    execute(["DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *tables])
    found = []
    meanwhile(statements, lambda: found.extend(rows_of(read(name="stock", select_fields=["id"]))))
    assert found == [{"id": 1}, {"id": 2}]


def test_a_part_that_comes_between_two_statements_is_noticed_at_the_end(execute: Execute, read: Read):
    execute(["DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *IN_PARTS])

    class Attaching(Arrivals):
        def begin_dataset(self, dataset: Dataset) -> None:
            # It waits for no reader's lock.
            if dataset.name == "summary":
                execute("ALTER TABLE stock ATTACH PARTITION apart FOR VALUES IN (3)")

    execute(["CREATE TABLE apart (id int NOT NULL, n int)", "INSERT INTO apart VALUES (3, 3)"])
    keys = {"select_fields": ["id"], "aggregations": [{"function": "COUNT", "alias": "n"}], "arrivals": Attaching()}
    with pytest.raises(SourceLostError, match="its rows are not those of one moment"):
        read(name="stock", **keys)

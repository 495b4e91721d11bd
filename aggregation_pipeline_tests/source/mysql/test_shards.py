"""What holds of shards beyond their values: one moment, alike in structure, limits, errors and masks."""

from typing import Final

import pytest

from aggregation_pipeline.errors import SnapshotError, SourceError
from aggregation_pipeline_tests.support.reading import Execute, Read, rows_of
from aggregation_pipeline_tests.support.servers.chosen import on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


def test_all_shards_are_of_one_moment_while_somebody_writes(read: Read, execute: Execute):
    execute([f"CREATE TABLE o_{n} (id INT PRIMARY KEY)" for n in range(3)])
    execute([f"INSERT INTO o_{n} VALUES (1), (2)" for n in range(3)])

    def meanwhile(_dataset: str, _done: int, _total: int | None) -> None:
        execute(["INSERT INTO o_2 SELECT MAX(id) + 1 FROM o_2", "DELETE FROM o_1 WHERE id = 1"])

    extract = read(
        progress=meanwhile,
        name="o",
        table="o_{0..2}",
        aggregations=[{"function": "COUNT", "alias": "n"}],
        select_fields=["id"],
    )
    assert rows_of(extract, "summary") == [{"n": 6}]
    assert [row["id"] for row in rows_of(extract)] == [1, 2] * 3


BASE: Final = "id INT PRIMARY KEY, name VARCHAR(10) COLLATE utf8mb4_bin, price DECIMAL(8,2), other INT"


def test_all_shards_that_are_missing_are_named(read: Read, execute: Execute):
    execute("CREATE TABLE o_1 (id INT PRIMARY KEY)")
    with pytest.raises(SourceError, match=r"there is no o_0, o_2, or DB_USER may not read them\. All 3 shards of o_"):
        read(name="o", table="o_{0..2}", select_fields=["id"])


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (None, r"there is no o_1, or DB_USER may not read it\. All 2 shards of o_\{0\.\.1\} have to be there"),
        (
            "id INT PRIMARY KEY, price DECIMAL(8,2)",
            r"the column name of o_1 is missing, and that of o_0 is varchar\(10\)",
        ),
        (BASE.replace("8,2", "8,3"), r"the column price of o_1 is decimal\(8,3\), and that of o_0 is decimal\(8,2\)"),
        (
            BASE.replace("utf8mb4_bin", "utf8mb4_general_ci"),
            r"the column name of o_1 .*general_ci, and that of o_0 .*_bin",
        ),
        (
            BASE.replace("id INT PRIMARY KEY", "id INT NOT NULL, PRIMARY KEY (id, price)"),
            r"key of o_1 is \(id, price\)",
        ),
    ],
)
def test_shards_that_differ_are_refused_by_name(read: Read, execute: Execute, definition: str | None, message: str):
    execute(f"CREATE TABLE o_0 ({BASE})")
    if definition is not None:
        execute(f"CREATE TABLE o_1 ({definition})")
    with pytest.raises(SourceError, match=message):
        read(name="o", table="o_{0..1}", group_by=["name"], select_fields=["id", "price"])


def test_columns_that_the_entry_does_not_use_may_differ(read: Read, execute: Execute):
    execute(
        [f"CREATE TABLE o_0 ({BASE})", "CREATE TABLE o_1 (more INT, " + BASE.replace("other INT", "other TEXT") + ")"]
    )
    extract = read(name="o", table="o_{0..1}", group_by=["name"], select_fields=["id", "price"])
    assert [dataset.rows for dataset in extract.datasets] == [0, 0]
    with pytest.raises(SourceError, match=r"the column other of o_1 is .*text.*, and that of o_0 is int"):
        read(name="o", table="o_{0..1}", select_fields=["*"])


def test_a_table_under_two_names_is_refused(read: Read, execute: Execute, database: str):
    execute(f"CREATE TABLE o_0 ({BASE})")
    with pytest.raises(
        SourceError, match=rf"o_0 and {database}\.o_0 are the same table, and its rows would count twice"
    ):
        read(name="o", table=["o_0", f"{database}.o_0"], select_fields=["id"])


def test_shards_lie_in_several_databases_and_have_hostile_names(
    mysql: MySQLServer, read: Read, execute: Execute, database: str
):
    other = mysql.fresh_database()
    odd = "we`ird 'name' %s */ {{x}}"
    quoted = "`" + odd.replace("`", "``") + "`"
    for place, table in enumerate([f"`{database}`.{quoted}", f"`{other}`.{quoted}", f"`{other}`.`a,b.c`"]):
        execute(
            [
                f"CREATE TABLE {table} (`od``d` INT PRIMARY KEY)",
                f"INSERT INTO {table} VALUES ({place})",
            ]
        )
    tables = [f"{database}.{quoted}", f"{other}.{quoted}", f"{other}.`a,b.c`"]
    extract = read(
        name="o",
        table=tables,
        shard_column="of",
        group_by=["of"],
        select_fields=["of", "`od``d`"],
        order_by=["`od``d` DESC"],
    )
    names = [f"{database}.{odd}", f"{other}.{odd}", f"{other}.a,b.c"]
    assert [row["of"] for row in rows_of(extract)] == names[::-1]
    assert sorted(row["of"] for row in rows_of(extract, "summary")) == sorted(names)


def test_an_error_names_the_shard(read: Read, execute: Execute):
    execute([f"CREATE TABLE o_{n} (id INT PRIMARY KEY, v BIGINT)" for n in range(3)])
    execute("INSERT INTO o_1 VALUES (1, 9223372036854775807)")
    with pytest.raises(SourceError, match=r"^o_1: "):
        read(name="o", table="o_{0..2}", select_fields=["id", "v + 1"])
    with pytest.raises(SourceError, match=r"^o_0: .*nosuch"):
        read(name="o", table="o_{0..2}", select_fields=["nosuch"])


def test_errors_of_counting_and_of_the_time_limit_name_their_shard(read: Read, execute: Execute):
    execute([f"CREATE TABLE o_{n} (id INT PRIMARY KEY, v VARCHAR(20))" for n in range(3)])
    execute("INSERT INTO o_2 VALUES (1, '12 apples')")
    with pytest.raises(SourceError, match=r"^o_2: detail of o_2: .*warned") as raised:
        read(name="o", table="o_{0..2}", select_fields=["id"], where="v + 0 > 1")
    assert "apples" not in str(raised.value)


@on("mariadb", "mysql56")  # seekdb ends the view's SLEEP by itself
def test_the_limit_of_a_snapshot_says_in_which_shard_it_ended(read: Read, execute: Execute):
    execute(["CREATE TABLE o_0 (id INT)", "INSERT INTO o_0 VALUES (1), (2), (3)"])
    execute("CREATE VIEW o_1 AS SELECT id FROM o_0 WHERE SLEEP(9) = 0")
    limits = {"max_snapshot_seconds": 1}
    with pytest.raises(SourceError, match="the snapshot was ended in o_1 after max_snapshot_seconds = 1"):
        read(name="o", table="o_{0..1}", select_fields=["id"], order="none", source_limits=limits)


def test_a_read_says_which_shard_it_is_at_and_which_it_leaves_out(read: Read, execute: Execute):
    execute([f"CREATE TABLE o_{n} (id INT PRIMARY KEY)" for n in range(1, 5)])
    parts, warnings = list[str](), list[str]()
    read(name="o", table="o_{2..3}", select_fields=["id"], part=parts.append, warn=warnings.append)
    assert parts == ["", "o_2, 1 of 2 shards", "o_3, 2 of 2 shards"]
    assert warnings == ["table: o_{2..3} leaves out o_1, o_4, which are there too"]


def test_limits_count_over_all_shards(read: Read, execute: Execute):
    execute([f"CREATE TABLE o_{n} (id INT PRIMARY KEY)" for n in range(3)])
    execute([f"INSERT INTO o_{n} VALUES (1), (2)" for n in range(3)])
    with pytest.raises(SourceError, match="detail: there are 6 rows or more, over max_rows = 5"):
        read(name="o", table="o_{0..2}", select_fields=["id"], source_limits={"max_rows": 5})
    with pytest.raises(SourceError, match="the server would read about"):
        read(name="o", table="o_{0..2}", select_fields=["id"], source_limits={"max_scan_rows": 1, "on_scan": "error"})


@pytest.mark.parametrize("mysql", ["mariadb"], indirect=True)
def test_a_shard_without_snapshots_is_refused(read: Read, execute: Execute):
    execute(["CREATE TABLE o_0 (id INT PRIMARY KEY)", "CREATE TABLE o_1 (id INT PRIMARY KEY) ENGINE=MyISAM"])
    with pytest.raises(SnapshotError, match=r"MyISAM \(o_1\) gives no snapshots beside InnoDB"):
        read(name="o", table="o_{0..1}", select_fields=["id"])
    extract = read(name="o", table="o_{0..1}", select_fields=["id"], consistency="none")
    assert extract.consistency == "none"


def test_masks_hide_the_column_of_every_shard(read: Read, execute: Execute):
    execute([f"CREATE TABLE o_{n} (id INT PRIMARY KEY, phone VARCHAR(20))" for n in range(2)])
    execute([f"INSERT INTO o_{n} VALUES (1, '1380013800{n}'), (2, '13900139000')" for n in range(2)])
    extract = read(
        name="o",
        table="o_{0..1}",
        group_by=["phone"],
        aggregations=[{"function": "COUNT", "alias": "n"}],
        select_fields=["id", "phone"],
        order_by=["id"],
        mask={"phone": "partial"},
    )
    assert [row["phone"] for row in rows_of(extract)] == ["138****8000", "138****8001", "139****9000", "139****9000"]
    groups = sorted((row["phone"], row["n"]) for row in rows_of(extract, "summary"))
    assert groups == [("138****8000", 1), ("138****8001", 1), ("139****9000", 2)]


def test_long_keys_are_told_apart_in_every_shard(read: Read, execute: Execute):
    execute([f"CREATE TABLE o_{n} (id INT PRIMARY KEY, url TEXT)" for n in range(2)])
    beginning = "x" * 3000
    execute(
        [
            f"INSERT INTO o_{n} VALUES (1, CONCAT('{beginning}', 'a')), (2, CONCAT('{beginning}', '{n}'))"
            for n in range(2)
        ]
    )
    extract = read(name="o", table="o_{0..1}", group_by=["url"], aggregations=[{"function": "COUNT", "alias": "n"}])
    assert [(row["url"][-1], row["n"]) for row in rows_of(extract, "summary")] == [("0", 1), ("1", 1), ("a", 2)]

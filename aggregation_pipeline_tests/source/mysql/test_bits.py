"""BIT columns arrive as numbers, however the server computes them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.sample
LARGEST = 2**64 - 1


@pytest.fixture(autouse=True)
def bits(execute) -> None:
    execute(
        [
            "CREATE TABLE t (id INT PRIMARY KEY, g INT, paid BIT(1), b13 BIT(13), b64 BIT(64))",
            (
                "INSERT INTO t VALUES (1, 1, b'1', 4097, ~0), (2, 1, b'0', 1, 0), (3, 2, NULL, NULL, NULL), (4, 2,"
                " b'1', 48, 49)"
            ),
        ]
    )


@pytest.mark.parametrize("beside", [None, "COUNT(DISTINCT id)", "GROUP_CONCAT(id)"])
def test_a_figure_of_bits_does_not_depend_on_what_stands_beside_it(read, beside):
    figures = ["MAX(paid)", "MIN(b13)", "MAX(b64)", "MIN(paid)", "BIT_OR(b13)", "MAX(paid) + 0", "IFNULL(MAX(b13), 7)"]
    others = [{"expr": beside, "alias": "beside"}] if beside else []
    extract = read(
        name="t", group_by=["g"], aggregations=[*({"expr": figure, "alias": figure} for figure in figures), *others]
    )
    rows = pq.read_table(extract.datasets[0].path).select(figures).to_pylist()
    numbers = [[None if value is None else int(value) for value in row.values()] for row in rows]
    assert numbers == [[1, 1, LARGEST, 0, 4097, 1, 4097], [1, 48, 49, 1, 48, 1, 48]]


def test_bits_are_keys_columns_and_orders(read):
    extract = read(
        name="t",
        group_by=["paid"],
        aggregations=[{"function": "COUNT", "alias": "n"}],
        select_fields=["*"],
        order_by=["b64"],
    )
    summary, detail = (pq.read_table(dataset.path) for dataset in extract.datasets)
    assert summary.to_pylist() == [{"paid": None, "n": 1}, {"paid": 0, "n": 1}, {"paid": 1, "n": 2}]
    assert detail.schema.field("b64").type == pa.uint64()
    assert detail.schema.field("paid").metadata[b"mysql_type"] == b"BIT(1)"
    assert detail.select(["id", "paid", "b13", "b64"]).to_pylist() == [
        {"id": 3, "paid": None, "b13": None, "b64": None},
        {"id": 2, "paid": 0, "b13": 1, "b64": 0},
        {"id": 4, "paid": 1, "b13": 48, "b64": 49},
        {"id": 1, "paid": 1, "b13": 4097, "b64": LARGEST},
    ]


def test_equal_bits_have_equal_hashes_wherever_they_stand(read):
    extract = read(
        name="t",
        group_by=["paid"],
        aggregations=[{"expr": "MAX(paid)", "alias": "last"}],
        mask={"paid": "hash", "last": "hash"},
        where="paid = 1",
    )
    (row,) = pq.read_table(extract.datasets[0].path).to_pylist()
    assert row["paid"] == row["last"]

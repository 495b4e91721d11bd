"""The benches' rows are the same everywhere, and no column follows from another."""

import hashlib
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks.shapes import LONG, ORDERS, WIDE, Noise, Shape

ROWS = 50_000


@pytest.fixture(scope="module")
def orders() -> dict[str, pa.Array]:
    names = ("user_id", "amount", "city", "status", "note", "created_at")
    return dict(zip(names, ORDERS.make(Noise(np.arange(1, ROWS + 1, dtype=np.uint64))), strict=True))


@pytest.mark.parametrize(
    ("shape", "digest"),
    [(ORDERS, "3ed46ee9b4bccb2f"), (WIDE, "3291689b85bb6aef"), (LONG, "62dd642b2d635fa6")],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_shape_has_the_same_rows_on_every_machine(shape: Shape, digest: str):
    lines = b"".join(bytes(part) for part in shape.lines(1, 100))
    assert hashlib.sha256(lines).hexdigest()[:16] == digest


def test_rows_do_not_depend_on_how_many_are_made():
    whole = b"".join(bytes(part) for part in ORDERS.lines(1, 50))
    assert whole == b"".join(bytes(part) for first in (1, 26) for part in ORDERS.lines(first, first + 24))
    assert whole.count(b"\n") == 50


def test_days_cities_and_statuses_make_every_group(orders: dict[str, pa.Array]):
    days = pc.cast(orders["created_at"], pa.date32())
    table = pa.table({"day": days, "city": orders["city"], "status": orders["status"]})
    groups = table.group_by(["day", "city", "status"]).aggregate([([], "count_all")])
    assert groups.num_rows == 90 * 8 * 4
    # 50,000 rows in 2,880 groups: 17 each on average, and a standard deviation near its root.
    assert 3.7 < np.std(groups["count_all"].to_numpy()) < 4.7


def test_no_column_follows_from_another(orders: dict[str, pa.Array]):
    numbers = {
        "id": np.arange(ROWS, dtype=float),
        "user_id": orders["user_id"].to_numpy(),
        "amount": pc.cast(orders["amount"], pa.float64()).to_numpy(),
        "city": orders["city"].dictionary_encode().indices.to_numpy(),
        "status": orders["status"].dictionary_encode().indices.to_numpy(),
        "null": orders["note"].is_null().to_numpy(zero_copy_only=False).astype(float),
        "length": pc.utf8_length(pc.fill_null(orders["note"], "")).to_numpy() * orders["note"].is_valid().to_numpy(
            zero_copy_only=False
        ),
        "created_at": orders["created_at"].cast(pa.int64()).to_numpy(),
    }  # fmt: skip
    related = {
        (one, other): float(np.corrcoef(numbers[one], numbers[other])[0, 1]) for one, other in combinations(numbers, 2)
    }
    # A note that is NULL has no length.
    del related["null", "length"]
    # Five standard deviations of what chance gives.
    assert {pair: size for pair, size in related.items() if abs(size) > 5 / ROWS**0.5} == {}


def test_each_bit_is_even_and_independent_of_its_neighbours():
    bits = np.unpackbits(Noise(np.arange(20_000, dtype=np.uint64)).bits(7).view(np.uint8)).reshape(-1, 64).astype(float)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / 20_000**0.5
    related = np.corrcoef(bits[:-1].T, bits[1:].T) - np.eye(128)
    assert np.abs(related).max() < 6 / 20_000**0.5


def test_the_texts_have_nulls_and_the_lengths_that_they_should(orders: dict[str, pa.Array]):
    assert 0.29 < orders["note"].null_count / ROWS < 0.31
    assert pc.max(pc.utf8_length(orders["note"])).as_py() <= 120
    assert pc.count_distinct(orders["note"]).as_py() > 0.9 * (ROWS - orders["note"].null_count)
    (_, body) = LONG.make(Noise(np.arange(1, 101, dtype=np.uint64)))
    assert 1_800 < pc.mean(pc.binary_length(body)).as_py() < 2_200
    assert len(WIDE.make(Noise(np.arange(1, 3, dtype=np.uint64)))) == 199

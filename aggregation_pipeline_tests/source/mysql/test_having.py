"""`having` keeps exactly the groups that its condition is true of, counted anew in Python from the same rows."""

import random
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pytest

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline_tests.support.reading import Execute, Read, rows_of


class Order(NamedTuple):
    """A row of the table; `paid` is a FLOAT, which is read in another form than it is grouped in."""

    id: int
    status: str | None
    amount: Decimal
    day: str
    paid: float


def orders() -> list[Order]:
    chosen = random.Random(7)
    return [
        Order(
            number,
            chosen.choice(["new", "paid", "gone", None]),
            Decimal(chosen.randrange(100, 9_000)) / 100,
            f"2026-11-{chosen.randrange(18, 23)}",
            chosen.choice([0.5, 1.25, 16.0]),
        )
        for number in range(1, 200)
    ]


ROWS: Final = orders()
FIGURES: Final = [
    {"function": "COUNT", "alias": "n"},
    # The name of a column that means something else.
    {"function": "SUM", "field": "amount", "alias": "amount"},
]
KEY: Final = {"expr": "DATE(created_at)", "alias": "day"}
Group = list[Order]
Keep = Callable[[Any, Group], bool]


def total(group: Group) -> Decimal:
    return sum((row.amount for row in group), Decimal(0))


def expected(key: str, keep: Keep) -> dict[Any, tuple[int, Decimal]]:
    groups: dict[Any, Group] = defaultdict(list)
    for row in ROWS:
        groups[getattr(row, key)].append(row)
    return {value: (len(group), total(group)) for value, group in groups.items() if keep(value, group)}


CONDITIONS: Final[list[tuple[str, Any, str, Keep]]] = [
    ("status", "status", "n > 48", lambda _, group: len(group) > 48),
    ("status", "status", "COUNT(*) > 48 OR status IS NULL", lambda key, group: len(group) > 48 or key is None),
    # Outside of a function `amount` is the figure, inside the column.
    ("status", "status", "amount >= 2200", lambda _, group: total(group) >= 2200),
    (
        "status",
        "status",
        "`AMOUNT` / N > AVG(amount) - 0.001 AND MAX(amount) < 89.8",
        lambda _, group: max(row.amount for row in group) < Decimal("89.8"),
    ),
    ("status", "status", "STATUS IN ('new', 'n, amount')", lambda key, _: key == "new"),
    ("day", KEY, "day BETWEEN '2026-11-19' AND '2026-11-20'", lambda key, _: "2026-11-19" <= key <= "2026-11-20"),
    (
        "day",
        KEY,
        "day = (SELECT MAX(DATE(o.created_at)) FROM orders o)",
        lambda key, _: key == max(row.day for row in ROWS),
    ),
    ("paid", "paid", "paid > 1 AND COUNT(DISTINCT status) = 3", lambda key, _: key > 1),
    ("status", "status", "1 = 0", lambda *_: False),
]


@pytest.fixture
def _orders(execute: Execute) -> None:
    rows = ", ".join(
        f"({row.id}, {'NULL' if row.status is None else repr(row.status)}, {row.amount}, '{row.day} 10:00:00',"
        f" {row.paid})"
        for row in ROWS
    )
    columns = "status VARCHAR(9), amount DECIMAL(10,2), created_at DATETIME, paid FLOAT, KEY (status)"
    execute([f"CREATE TABLE orders (id INT PRIMARY KEY, {columns})", f"INSERT INTO orders VALUES {rows}"])


@pytest.mark.usefixtures("_orders")
def test_the_groups_are_those_that_the_condition_is_true_of(read: Read):
    for column, key, having, keep in CONDITIONS:
        name = key if isinstance(key, str) else key["alias"]
        found = {
            str(row[name]) if column == "day" else row[name]: (row["n"], row["amount"])
            for row in rows_of(read(name="orders", group_by=[key], aggregations=FIGURES, having=having), "summary")
        }
        assert found == expected(column, keep), having


@pytest.mark.usefixtures("_orders")
def test_it_holds_for_totals_distinct_keys_masked_keys_and_odd_names(read: Read):
    def groups(**keys: Any) -> list[dict[str, Any]]:
        return rows_of(read(name="orders", **keys), "summary")

    assert groups(having="row_count > 198") == [{"row_count": 199}]
    assert groups(having="row_count > 199") == []
    assert groups(having="COUNT(id) = 199", aggregations=[{"function": "MIN", "field": "id"}]) == [{"MIN(id)": 1}]
    assert [row["status"] for row in groups(group_by=["status"], having="status < 'm'")] == ["gone"]
    masked = groups(group_by=["status"], aggregations=FIGURES, having="status = 'new'", mask={"status": "hash"})
    assert [(row["n"], len(row["status"])) for row in masked] == [(expected("status", lambda *_: True)["new"][0], 64)]
    # Servers get another name for such an output.
    odd = {"expr": "COUNT(*)", "alias": "数🎉" * 30}
    (row,) = groups(group_by=["status"], aggregations=[odd], having=f"`{odd['alias']}` > 0 AND status = 'paid'")
    assert row[odd["alias"]] == expected("status", lambda *_: True)["paid"][0]


@pytest.mark.usefixtures("_orders")
def test_the_limit_counts_the_groups_that_are_left(read: Read):
    def datasets(limit: int) -> tuple[list[Any], bool, int]:
        extract = read(
            name="orders",
            group_by=["status"],
            having="status IS NOT NULL",
            select_fields=["id"],
            limit=limit,
        )
        summary, detail = extract.datasets
        return [row["status"] for row in rows_of(extract, "summary")], summary.truncated, detail.rows

    assert datasets(3) == (["gone", "new", "paid"], False, 3)
    assert datasets(2) == (["gone", "new"], True, 2)
    assert datasets(500) == (["gone", "new", "paid"], False, 199)


@pytest.mark.usefixtures("_orders")
def test_a_column_that_is_not_there_is_named_with_its_key(read: Read):
    with pytest.raises(SourceError, match=r"It is used in having\. Was amount meant\?"):
        read(name="orders", group_by=["status"], having="SUM(amuont) > 1")

"""Which tables a page of the list shows."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.overview.table_lines import STATES, TableLine
from aggregation_pipeline.overview.table_list import TableQuery, select_tables

AT = datetime(2026, 11, 20, tzinfo=UTC)


def line(name: str, **changes: Any) -> TableLine:
    fields = dict.fromkeys(TableLine.__dataclass_fields__)
    fields |= {"name": name, "platform": name, "owners": (), "state": "ok", "rows": {}, "running": False}
    return TableLine(**{**fields, **changes})


TABLES = [
    line("orders", owners=("team:sales", "li@example.com"), group="shop/sales"),
    line("users", state="failed", owners=("team:sales",)),
    line("用户 明细", platform="weibo", state="late"),
    line("Refunds", state="failed"),
]


def names(query: TableQuery, size: int = 50) -> list[str]:
    return [each.name for each in select_tables(TABLES, query, size).tables]


def test_what_is_wrong_comes_first_and_the_rest_as_configured():
    assert names(TableQuery()) == ["users", "Refunds", "用户 明细", "orders"]


def test_tables_are_found_by_parts_of_names_owners_platforms_and_groups():
    found = {
        "ORD": ["orders"],
        "refund": ["Refunds"],
        "用户": ["用户 明细"],
        "WEIBO": ["用户 明细"],
        "sales": ["users", "orders"],
        "shop/": ["orders"],
        "li@": ["orders"],
        " users ": ["users"],
        "none": [],
        "": names(TableQuery()),
    }
    assert {text: names(TableQuery(text=text)) for text in found} == found
    assert names(TableQuery(owner="team:sales")) == ["users", "orders"]
    assert names(TableQuery(owner="sales")) == []
    assert names(TableQuery(state="failed", text="r")) == ["users", "Refunds"]


def test_states_are_counted_of_what_the_rest_of_the_query_finds():
    found = select_tables(TABLES, TableQuery(owner="team:sales", state="failed"))
    assert (found.found, found.states, found.owners) == (1, {"failed": 1, "ok": 1}, ["li@example.com", "team:sales"])


def test_a_page_that_there_is_not_is_the_nearest_one():
    pages = {page: select_tables(TABLES, TableQuery(page=page), 3) for page in (-1, 1, 2, 99)}
    assert [(each.page, each.pages, len(each.tables)) for each in pages.values()] == [
        (1, 2, 3), (1, 2, 3), (2, 2, 1), (2, 2, 1),
    ]  # fmt: skip
    empty = select_tables([], TableQuery(page=7))
    assert (empty.page, empty.pages, empty.found, empty.tables) == (1, 1, 0, [])


@given(st.lists(st.sampled_from(STATES), max_size=30), st.integers(1, 7))
def test_the_pages_together_have_every_table_once(states: list[str], size: int):
    tables = [line(f"t{number}", state=state) for number, state in enumerate(states)]
    pages = select_tables(tables, TableQuery(), size).pages
    found = [each for page in range(1, pages + 1) for each in select_tables(tables, TableQuery(page=page), size).tables]
    assert sorted(each.name for each in found) == sorted(each.name for each in tables)
    assert [each.state for each in found] == sorted(states, key=STATES.index)

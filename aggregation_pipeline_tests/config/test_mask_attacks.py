"""Every way that anybody thought of to see a masked column without its mask. None of them loads.

The table is users(id, status, phone, name, birthday); phone is masked, wherever the entry `users` shows it.
"""

from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.config.mask_attacks import (
    AGGREGATIONS,
    FIELDS,
    HARMLESS,
    NAMED_ALIKE,
    OTHERS,
    SUB_SELECTS,
)
from aggregation_pipeline_tests.support.config_file import load_entries

MASKED = {"select_fields": ["id", "phone"], "mask": {"phone": "hash"}}


@pytest.mark.parametrize("sql", FIELDS.values(), ids=FIELDS.keys())
def test_a_field_that_shows_a_masked_column_is_refused(tmp_path: Path, sql: str):
    fields = ["id", "phone", {"expr": sql, "alias": "shown"}]
    with pytest.raises(ConfigError, match=r":6:\d+: tables.users.select_fields\[2\]: .*(shows phone|allow:)"):
        load_entries(tmp_path, {"users": {"select_fields": fields, "mask": {"phone": "hash"}}})


@pytest.mark.parametrize("sql", AGGREGATIONS.values(), ids=AGGREGATIONS.keys())
def test_a_figure_that_shows_a_masked_column_is_refused(tmp_path: Path, sql: str):
    figures = [{"expr": sql, "alias": "shown"}]
    with pytest.raises(ConfigError, match=r"shows phone|allow:"):
        load_entries(tmp_path, {"users": MASKED | {"group_by": ["id"], "aggregations": figures}})


@pytest.mark.parametrize("function", ["SUM", "AVG", "MIN", "MAX", "STDDEV", "VARIANCE", "GROUP_CONCAT"])
def test_a_function_of_a_masked_column_is_refused_in_groups_that_can_be_one_row(tmp_path: Path, function: str):
    figures = [{"function": function, "field": "phone"}]
    with pytest.raises(ConfigError, match=r"shows phone, which is masked.*: keep\}"):
        load_entries(tmp_path, {"users": MASKED | {"group_by": ["id"], "aggregations": figures}})


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("table", ["users", "shop.users", "USERS"])
def test_a_column_that_one_entry_masks_is_masked_in_every_entry_over_the_table(
    tmp_path: Path, other: dict[str, Any], table: str
):
    with pytest.raises(ConfigError, match=r"aggregation.yaml:\d+:\d+: tables.open\..*(the entry users|masked|allow:)"):
        load_entries(tmp_path, {"users": MASKED, "open": other | {"table": table}})


@pytest.mark.parametrize("sql", SUB_SELECTS.values(), ids=SUB_SELECTS.keys())
def test_another_table_sees_the_masked_one_only_by_leave(tmp_path: Path, sql: str):
    orders: dict[str, Any] = {"select_fields": ["id", {"expr": sql, "alias": "s"}]}
    with pytest.raises(
        ConfigError, match=r"tables.orders.select_fields\[1\]: a sub-select reads users.*allow: {tables: \[users\]}"
    ):
        load_entries(tmp_path, {"users": MASKED, "orders": orders})
    # Where the table is named, what is shown of it is masked or kept all the same.
    orders["allow"] = {"tables": ["users"]}
    if "COUNT" not in sql:
        with pytest.raises(ConfigError, match=r"the output s shows phone, which the entry users masks.*{s: keep}"):
            load_entries(tmp_path, {"users": MASKED, "orders": orders})
        orders["mask"] = {"s": "keep"}
    assert load_entries(tmp_path, {"users": MASKED, "orders": orders}).tables[1].allow.tables == ("users",)


@pytest.mark.parametrize("keys", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_shows_nothing_or_is_kept_on_purpose_loads(tmp_path: Path, keys: dict[str, Any]):
    assert len(load_entries(tmp_path, {"users": MASKED, "other": keys}).tables) == 2


def test_in_a_file_that_masks_nothing_all_of_it_is_free(tmp_path: Path):
    fields = ["id", *({"expr": sql, "alias": name} for name, sql in FIELDS.items())]
    assert (
        load_entries(tmp_path, {"users": {"select_fields": fields}, "open": {"table": "users"}}).tables[0].masked == {}
    )


def test_the_names_that_statements_give_outputs_are_no_way_around(tmp_path: Path):
    """Names that a server garbles are replaced, and groups ordered by a keyed hash have names inside."""
    long = "x" * 100
    for name in ("output 1", "o1", long):
        fields = [{"expr": "phone", "alias": long}, {"expr": f"(SELECT `{name}`)", "alias": "shown"}]
        with pytest.raises(ConfigError, match="shows phone"):
            load_entries(tmp_path, {"users": {"select_fields": fields, "mask": {long: "hash"}}})
        with pytest.raises(ConfigError, match="shows phone"):
            load_entries(tmp_path, {"users": {"group_by": fields, "mask": {long: "hash"}}})


@pytest.mark.parametrize("keys", NAMED_ALIKE.values(), ids=NAMED_ALIKE.keys())
def test_a_mask_of_two_outputs_of_one_name_hides_the_columns_behind_both(tmp_path: Path, keys: dict[str, Any]):
    masking = keys | {"mask": {"phone": "hash"}}
    with pytest.raises(
        ConfigError, match=r"tables.open.select_fields\[1\]: the output phone shows phone, which the entry users masks"
    ):
        load_entries(tmp_path, {"users": masking, "open": {"table": "users", "select_fields": ["id", "phone"]}})
    figures = [*keys.get("aggregations", []), {"expr": "MAX(phone)", "alias": "m"}]
    with pytest.raises(ConfigError, match="the output m shows phone, which is masked"):
        load_entries(tmp_path, {"users": masking | {"aggregations": figures}})
    assert load_entries(tmp_path, {"users": masking}).tables[0].hidden_columns >= {"phone"}


def test_what_the_summary_keeps_by_a_columns_name_does_not_keep_the_order_of_the_column(tmp_path: Path):
    other = {
        "table": "users",
        "group_by": [{"expr": "status", "alias": "phone"}],
        "select_fields": ["id"],
        "order_by": ["phone"],
        "mask": {"phone": "keep"},
    }
    with pytest.raises(ConfigError, match=r"order_by\[0\]: order_by phone would show the order of masked values"):
        load_entries(tmp_path, {"users": MASKED, "other": other})


def test_a_window_sees_the_outputs_beside_it(tmp_path: Path):
    fields = [{"expr": "phone", "alias": "a"}, {"expr": "ROW_NUMBER() OVER (ORDER BY a)", "alias": "r"}]
    with pytest.raises(ConfigError, match="the output r shows phone"):
        load_entries(tmp_path, {"users": {"select_fields": fields, "mask": {"a": "hash"}}})


@pytest.mark.parametrize("table", ["mysql.column_stats", "INFORMATION_SCHEMA.column_statistics"])
def test_a_table_that_the_server_fills_is_exported_only_by_leave(tmp_path: Path, table: str):
    with pytest.raises(ConfigError, match=r":\d+:\d+: tables.statistics.table: .* can hold values of masked columns"):
        load_entries(tmp_path, {"users": MASKED, "statistics": {"table": table, "select_fields": ["table_name"]}})


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"select_fields": ["*"]}, "select_fields"),
        ({"select_fields": ["id"], "order_by": ["id", "phone"]}, r"order_by\[1\]"),
        (
            {"select_fields": ["id"], "partition": {"column": "phone", "every": "day", "start": "2026-01-01"}},
            "partition.column",
        ),
    ],
)
def test_what_shows_a_masked_column_is_reported_in_its_place(tmp_path: Path, keys: dict[str, Any], place: str):
    with pytest.raises(ConfigError, match=rf":\d+:\d+: tables.open.{place}.* (masks|masked)"):
        load_entries(tmp_path, {"users": MASKED, "open": {"table": "users"} | keys})


def test_a_count_of_a_column_hides_none(tmp_path: Path):
    figures = [{"expr": "COUNT(DISTINCT phone)", "alias": "n"}]
    config = load_entries(tmp_path, {"users": {"group_by": ["id"], "aggregations": figures, "mask": {"n": "hash"}}})
    assert config.tables[0].hidden_columns == set()


def test_a_chain_of_aliases_is_followed_to_its_end(tmp_path: Path):
    fields = [
        {"expr": "(SELECT b)", "alias": "c"},
        {"expr": "(SELECT a)", "alias": "b"},
        {"expr": "phone", "alias": "a"},
    ]
    with pytest.raises(ConfigError, match="the output c shows phone"):
        load_entries(tmp_path, {"users": {"select_fields": fields, "mask": {"a": "hash", "b": "hash"}}})


def test_an_output_without_a_name_of_its_own_is_called_by_its_text(tmp_path: Path):
    fields = ["LOWER(phone)", {"expr": "(SELECT `lower(phone)`)", "alias": "shown"}]
    with pytest.raises(ConfigError, match="the output shown shows phone"):
        load_entries(tmp_path, {"users": {"select_fields": fields, "mask": {"LOWER(phone)": "hash"}}})


def test_a_masked_output_of_no_column_is_hidden_too(tmp_path: Path):
    fields = ["id", {"expr": "salt_of(1)", "alias": "s"}, {"expr": "(SELECT s)", "alias": "shown"}]
    with pytest.raises(ConfigError, match="the output shown shows s"):
        load_entries(
            tmp_path, {"users": {"select_fields": fields, "mask": {"s": "hash"}, "allow": {"functions": ["salt_of"]}}}
        )


def test_a_masked_output_has_to_name_its_columns(tmp_path: Path):
    field = {"expr": "(SELECT MAX(b) FROM (SELECT * FROM people) z(a, b))", "alias": "s"}
    with pytest.raises(ConfigError, match="which columns it hides cannot be told"):
        load_entries(tmp_path, {"orders": {"select_fields": ["id", field], "mask": {"s": "hash"}}})


def test_a_mask_on_a_sub_select_hides_the_column_of_the_other_table(tmp_path: Path):
    field = {"expr": "(SELECT u.phone FROM people u WHERE u.id = orders.user_id)", "alias": "s"}
    orders = {"select_fields": ["id", "user_id", field], "mask": {"s": "hash"}, "allow": {"tables": ["people"]}}
    # What it is joined by stays open.
    assert load_entries(tmp_path, {"orders": orders}).tables[0].hidden_columns == set()
    with pytest.raises(ConfigError, match="shows phone, which the entry orders masks"):
        load_entries(tmp_path, {"orders": orders, "people": {"select_fields": ["id", "phone"]}})


def test_a_name_in_a_sub_select_may_be_a_column_of_any_table_there_and_one_outside_is_the_entrys_own(tmp_path: Path):
    inside = "SELECT MAX(n) FROM (SELECT name AS n FROM people) z"
    field = {"expr": f"CONCAT(phone, ({inside}))", "alias": "s"}
    orders = {"select_fields": ["id", field], "mask": {"s": "hash"}, "allow": {"tables": ["people"]}}
    masked = load_entries(tmp_path, {"orders": orders}).tables[0].masked
    assert {table.name: set(columns) for table, columns in masked.items()} == {
        "orders": {"phone", "n", "name"},
        "people": {"n", "name"},
    }


def test_what_tables_are_joined_by_in_a_masked_output_stays_open(tmp_path: Path):
    field = {"expr": "(SELECT MAX(p.name) FROM people p JOIN cards c ON c.number = p.card)", "alias": "s"}
    orders = {"select_fields": ["id", field], "mask": {"s": "hash"}}
    masked = load_entries(tmp_path, {"orders": orders | {"allow": {"tables": ["people", "cards"]}}}).tables[0].masked
    assert {name for columns in masked.values() for name in columns} == {"name"}


def test_all_that_a_file_shows_is_reported_at_once_and_in_its_place(tmp_path: Path):
    with pytest.raises(ConfigError) as refusal:
        load_entries(
            tmp_path,
            {
                "users": MASKED,
                "a": {"table": "users", "select_fields": ["id", "phone"]},
                "b": {"select_fields": ["f(id)"]},
            },
        )
    assert "2 issues" in str(refusal.value)
    assert "tables.a.select_fields[1]: the output phone shows phone, which the entry users masks." in str(refusal.value)
    assert "tables.b.select_fields[0]: f() is no function of MySQL's own" in str(refusal.value)

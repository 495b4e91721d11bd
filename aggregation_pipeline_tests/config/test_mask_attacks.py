"""Every way that anybody thought of to see a masked column without its mask. None of them loads.

The table is users(id, status, phone, name, birthday); phone is masked, wherever the entry `users` shows it.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.errors import ConfigError

MASKED = {"select_fields": ["id", "phone"], "mask": {"phone": "hash"}}


def load(folder: Path, tables: dict[str, Any]) -> PipelineConfig:
    path = folder / "aggregation.yaml"
    path.write_text(yaml.safe_dump({"tables": tables}, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return load_config(path)


# What a field of the entry that masks the column could be.
FIELDS = {
    "qualified": "users.phone",
    "with its database": "shop.users.phone",
    "in backticks": "`phone` + 0",
    "in capitals": "PHONE + 0",
    "with an accent, as seekdb takes it": "`phoné`",
    "with a dotted capital": "`İd` + phone",
    "with blanks behind": "`phone  `",
    "a function of it": "SUBSTR(phone, 1)",
    "its letters turned": "REVERSE(CAST(phone AS CHAR))",
    "its length": "LENGTH(phone)",
    "a comparison": "phone = '13812345678'",
    "a condition": "CASE WHEN phone > 13800000000 THEN 'high' ELSE 'low' END",
    "an IF": "IF(phone IS NULL, 0, 1)",
    "the unit of an interval": "DATE '2000-01-01' + INTERVAL phone SECOND",
    "behind FROM inside a function": "TRIM(LEADING '0' FROM phone)",
    "JSON by an arrow": "phone->'$.number'",
    "a full text search": "MATCH (phone) AGAINST ('138*' IN BOOLEAN MODE)",
    "a default": "DEFAULT(phone)",
    "a sum over a window": "SUM(phone) OVER (PARTITION BY id)",
    "a rank by it": "ROW_NUMBER() OVER (ORDER BY phone)",
    "a count over a window ordered by it": "COUNT(*) OVER (ORDER BY phone)",
    "a neighbour": "LAG(phone) OVER (ORDER BY id)",
    "an alias of the entry in a sub-select": "(SELECT phone)",
    "a count with a blank, which is a stored function": "(SELECT COUNT (phone))",
    "a correlated sub-select": "(SELECT MAX(u.phone) FROM users u WHERE u.id = users.id)",
    "a sub-select of the masked table that names no column of it": "(SELECT COUNT(*) FROM users u)",
    "all columns under other names": "(select group_concat(c) from (select * from users) z(a,b,c))",
    "all columns of an alias": "(SELECT GROUP_CONCAT(c) FROM (SELECT u.* FROM users u) z(a,b,c))",
    "all columns behind a modifier": "(SELECT GROUP_CONCAT(c) FROM (SELECT SQL_NO_CACHE * FROM users) z(a,b,c))",
    "a table without SELECT": "(SELECT GROUP_CONCAT(c) FROM (TABLE users) z(a,b,c))",
    "a union that names the columns": (
        "(SELECT MAX(b) FROM (SELECT 1 AS a, 2 AS b UNION ALL SELECT id, phone FROM users) z)"
    ),
    "a union of all columns": "(SELECT MAX(b) FROM (SELECT 1 AS a, 2 AS b, 3 AS c UNION ALL SELECT * FROM users) z)",
    "a WITH": "(WITH c AS (SELECT * FROM users) SELECT MAX(phone) FROM c)",
    "a WITH under other names": "(WITH c(a, b, d) AS (SELECT * FROM users) SELECT MAX(b) FROM c)",
    "a WITH called as the table": "(WITH users AS (SELECT * FROM users) SELECT COUNT(*) FROM users)",
    "a recursive WITH": (
        "(WITH RECURSIVE c AS (SELECT phone AS p FROM users UNION SELECT p FROM c) SELECT MAX(p) FROM c)"
    ),
    "a natural join": "(SELECT MAX(o.id) FROM orders o NATURAL JOIN users)",
    "a join by USING": "(SELECT MAX(o.id) FROM orders o JOIN users USING (phone))",
    "a lateral table": "(SELECT MAX(q) FROM LATERAL (SELECT phone AS q) z)",
    "the database before the table": "(SELECT MAX(u.phone) FROM `shop` . `users` u)",
    "the table in capitals": "(SELECT COUNT(*) FROM USERS)",
    "a comment before the table": "(SELECT COUNT(*) FROM /* the */ users)",
    "an alias of another table that is also one of this": "(SELECT (SELECT MAX(c.phone) FROM users c) FROM contacts c)",
    "a stored function": "phone_of(id)",
    "a stored function with its database": "shop.upper(id)",
    "a stored function in backticks": "`left`(id, 3)",
    "a stored function called as an alias": "(SELECT MAX(f(a)) FROM (SELECT 1) f(a))",
    "statistics of the server": "(SELECT MAX(histogram) FROM information_schema.column_statistics)",
    "statistics of MariaDB": "(SELECT MAX(max_value) FROM mysql.column_stats)",
    "statements of others": "(SELECT MAX(sql_text) FROM performance_schema.events_statements_history)",
    "a summary of statements": "(SELECT MAX(query) FROM sys.statement_analysis)",
    "statements of others on seekdb": "(SELECT MAX(query_sql) FROM oceanbase.GV$OB_SQL_AUDIT)",
}
# Likewise a figure.
FIGURES = {
    "its sum": "SUM(phone)",
    "its mean": "AVG(phone)",
    "its spread": "STDDEV_SAMP(phone)",
    "its maximum": "MAX(phone)",
    "any of it": "ANY_VALUE(phone)",
    "all of it": "GROUP_CONCAT(phone)",
    "something in its order": "GROUP_CONCAT(id ORDER BY phone)",
    "its bits": "BIT_XOR(phone)",
    "a sum of a condition on it": "SUM(phone > 13800000000)",
    "a count of a condition on it": "COUNT(NULLIF(phone, 13812345678))",
    "a count of several conditions": "COUNT(DISTINCT id, phone > 13800000000)",
    "a count beside it": "COUNT(phone) + MAX(phone)",
    "a count that is a stored function": "COUNT (phone) + COUNT(*)",
    "its JSON": "JSON_ARRAYAGG(phone)",
    "an object of it": "JSON_OBJECTAGG(id, phone)",
}


@pytest.mark.parametrize("sql", FIELDS.values(), ids=FIELDS.keys())
def test_a_field_that_shows_a_masked_column_is_refused(tmp_path: Path, sql: str):
    fields = ["id", "phone", {"expr": sql, "alias": "shown"}]
    with pytest.raises(ConfigError, match=r":6:\d+: tables.users.select_fields\[2\]: .*(shows phone|allow:)"):
        load(tmp_path, {"users": {"select_fields": fields, "mask": {"phone": "hash"}}})


@pytest.mark.parametrize("sql", FIGURES.values(), ids=FIGURES.keys())
def test_a_figure_that_shows_a_masked_column_is_refused(tmp_path: Path, sql: str):
    figures = [{"expr": sql, "alias": "shown"}]
    with pytest.raises(ConfigError, match=r"shows phone|allow:"):
        load(tmp_path, {"users": MASKED | {"group_by": ["id"], "aggregations": figures}})


@pytest.mark.parametrize("function", ["SUM", "AVG", "MIN", "MAX", "STDDEV", "VARIANCE", "GROUP_CONCAT"])
def test_a_function_of_a_masked_column_is_refused_in_groups_that_can_be_one_row(tmp_path: Path, function: str):
    figures = [{"function": function, "field": "phone"}]
    with pytest.raises(ConfigError, match=r"shows phone, which is masked.*: keep\}"):
        load(tmp_path, {"users": MASKED | {"group_by": ["id"], "aggregations": figures}})


OTHERS: dict[str, dict[str, Any]] = {
    "all columns": {"select_fields": ["*"]},
    "the column": {"select_fields": ["id", "phone"]},
    "a figure of it": {"group_by": ["id"], "aggregations": [{"function": "SUM", "field": "phone", "alias": "s"}]},
    "a key": {"group_by": ["phone"]},
    "its order": {"select_fields": ["id"], "order_by": ["phone"]},
    "its order in a sub-select": {
        "select_fields": ["id"],
        "order_by": ["(SELECT u.phone FROM users u WHERE u.id = users.id)"],
    },
    "its windows": {"select_fields": ["id"], "partition": {"column": "phone", "every": "day", "start": "2026-01-01"}},
    "rows chosen by a sub-select": {
        "select_fields": ["id"],
        "where": "id IN (SELECT id FROM users WHERE phone > 13800000000)",
    },
    "a stored function": {"select_fields": ["id", "phone_of(id)"]},
    "a stored function that chooses rows": {"select_fields": ["id"], "where": "phone_of(id) > 0"},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("table", ["users", "shop.users", "USERS"])
def test_a_column_that_one_entry_masks_is_masked_in_every_entry_over_the_table(
    tmp_path: Path, other: dict[str, Any], table: str
):
    with pytest.raises(ConfigError, match=r"aggregation.yaml:\d+:\d+: tables.open\..*(the entry users|masked|allow:)"):
        load(tmp_path, {"users": MASKED, "open": other | {"table": table}})


SUB_SELECTS = {
    "a value": "(SELECT MAX(u.phone) FROM users u WHERE u.id = orders.user_id)",
    "a count": "(SELECT COUNT(*) FROM users)",
    "all columns": "(SELECT MAX(b) FROM (SELECT * FROM users) z(a, b, c))",
    "a table without SELECT": "(SELECT MAX(b) FROM (TABLE users) z(a, b, c))",
}


@pytest.mark.parametrize("sql", SUB_SELECTS.values(), ids=SUB_SELECTS.keys())
def test_another_table_sees_the_masked_one_only_by_leave(tmp_path: Path, sql: str):
    orders: dict[str, Any] = {"select_fields": ["id", {"expr": sql, "alias": "s"}]}
    with pytest.raises(
        ConfigError, match=r"tables.orders.select_fields\[1\]: a sub-select reads users.*allow: {tables: \[users\]}"
    ):
        load(tmp_path, {"users": MASKED, "orders": orders})
    # Where the table is named, what is shown of it is masked or kept all the same.
    orders["allow"] = {"tables": ["users"]}
    if "COUNT" not in sql:
        with pytest.raises(ConfigError, match=r"the output s shows phone, which the entry users masks.*{s: keep}"):
            load(tmp_path, {"users": MASKED, "orders": orders})
        orders["mask"] = {"s": "keep"}
    assert load(tmp_path, {"users": MASKED, "orders": orders}).tables[1].allow.tables == ("users",)


HARMLESS: dict[str, dict[str, Any]] = {
    "kept by name": {"table": "users", "select_fields": ["id", "phone"], "mask": {"phone": "keep"}},
    "all columns, one kept": {"table": "users", "select_fields": ["*"], "mask": {"phone": "keep"}},
    "masked otherwise": {"table": "users", "select_fields": ["*"], "mask": {"phone": "drop"}},
    "another table's column of that name": {"table": "contacts", "select_fields": ["id", "phone"]},
    "the same name in another database": {"table": "b.contacts", "select_fields": ["*"]},
    "a function that is listed": {"select_fields": ["id", "net_price(id)"], "allow": {"functions": ["net_price"]}},
    "one with its database": {
        "select_fields": ["id", "shop.net_price(id)"],
        "allow": {"functions": ["shop.net_price"]},
    },
    "a sub-select of another table": {"select_fields": ["id", "(SELECT MAX(c.phone) FROM contacts c)"]},
    "columns under other names": {"select_fields": ["id", "(SELECT MAX(a) FROM (SELECT id FROM contacts) z(a))"]},
    "the order of a kept column": {
        "table": "users",
        "select_fields": ["phone", {"expr": "LEFT(phone, 3)", "alias": "area"}],
        "order_by": ["area", "phone"],
        "mask": {"area": "keep", "phone": "keep"},
    },
    "windows by a kept column": {
        "table": "users",
        "select_fields": ["id"],
        "partition": {"column": "phone", "every": "day", "start": "2026-01-01"},
        "mask": {"phone": "keep"},
    },
    "a column called as the masked table": {"select_fields": ["id", {"expr": "users + 1", "alias": "n"}]},
    "a table called as a database of the server": {
        "table": "sys",
        "select_fields": [{"expr": "sys.id + 1", "alias": "n"}],
    },
    "a column called as a masked output beside it, which only a sub-select can name": {
        "table": "users",
        "select_fields": [{"expr": "phone", "alias": "status"}, {"expr": "LOWER(status)", "alias": "s"}],
        "mask": {"status": "hash"},
    },
    "a table of the server that is listed": {
        "table": "mysql.column_stats",
        "select_fields": ["table_name"],
        "allow": {"tables": ["mysql.column_stats"]},
    },
    "functions of every kind": {
        "select_fields": [
            "id",
            (
                "CONCAT_WS('-', LEFT(a, 2), CAST(b AS DECIMAL(10, 2)), IF(a IN (1, 2), NOW(), DATE_ADD(d, INTERVAL 1"
                " DAY)))"
            ),
            "CASE WHEN (a) AND (b) THEN (c) ELSE (d) END",
            "ST_AsText(POINT(a, b))",
            "JSON_MERGE_PATCH(a, b)",
            "ROW_NUMBER() OVER (PARTITION BY a ORDER BY b)",
            "GREATEST(AES_DECRYPT(a, b), WEIGHT_STRING(c AS CHAR(4)))",
        ]
    },
}


@pytest.mark.parametrize("keys", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_shows_nothing_or_is_kept_on_purpose_loads(tmp_path: Path, keys: dict[str, Any]):
    assert len(load(tmp_path, {"users": MASKED, "other": keys}).tables) == 2


def test_in_a_file_that_masks_nothing_all_of_it_is_free(tmp_path: Path):
    fields = ["id", *({"expr": sql, "alias": name} for name, sql in FIELDS.items())]
    assert load(tmp_path, {"users": {"select_fields": fields}, "open": {"table": "users"}}).tables[0].masked == {}


def test_the_names_that_statements_give_outputs_are_no_way_around(tmp_path: Path):
    """Names that a server garbles are replaced, and groups ordered by a keyed hash have names inside."""
    long = "x" * 100
    for name in ("output 1", "o1", long):
        fields = [{"expr": "phone", "alias": long}, {"expr": f"(SELECT `{name}`)", "alias": "shown"}]
        with pytest.raises(ConfigError, match="shows phone"):
            load(tmp_path, {"users": {"select_fields": fields, "mask": {long: "hash"}}})
        with pytest.raises(ConfigError, match="shows phone"):
            load(tmp_path, {"users": {"group_by": fields, "mask": {long: "hash"}}})


NAMED_ALIKE: dict[str, dict[str, Any]] = {
    "a figure called as a column of all": {
        "group_by": ["status"],
        "aggregations": [{"expr": "COUNT(DISTINCT phone)", "alias": "phone"}],
        "select_fields": ["*"],
    },
    "the same by function": {
        "group_by": ["status"],
        "aggregations": [{"function": "COUNT DISTINCT", "field": "phone", "alias": "Phone"}],
        "select_fields": ["*"],
    },
    "a key called as a column of all": {
        "group_by": [{"expr": "DATE(NOW())", "alias": "PHONE"}],
        "select_fields": ["*"],
    },
    "a figure called as a field": {
        "group_by": ["status"],
        "aggregations": [{"expr": "COUNT(DISTINCT phone)", "alias": "phone"}],
        "select_fields": ["phone"],
    },
    "a key called as another field": {"group_by": ["phone"], "select_fields": [{"expr": "status", "alias": "phone"}]},
    "a field called as another key": {"group_by": [{"expr": "status", "alias": "phone"}], "select_fields": ["phone"]},
}


@pytest.mark.parametrize("keys", NAMED_ALIKE.values(), ids=NAMED_ALIKE.keys())
def test_a_mask_of_two_outputs_of_one_name_hides_the_columns_behind_both(tmp_path: Path, keys: dict[str, Any]):
    masking = keys | {"mask": {"phone": "hash"}}
    with pytest.raises(
        ConfigError, match=r"tables.open.select_fields\[1\]: the output phone shows phone, which the entry users masks"
    ):
        load(tmp_path, {"users": masking, "open": {"table": "users", "select_fields": ["id", "phone"]}})
    figures = [*keys.get("aggregations", []), {"expr": "MAX(phone)", "alias": "m"}]
    with pytest.raises(ConfigError, match="the output m shows phone, which is masked"):
        load(tmp_path, {"users": masking | {"aggregations": figures}})
    assert load(tmp_path, {"users": masking}).tables[0].hidden_columns >= {"phone"}


def test_what_the_summary_keeps_by_a_columns_name_does_not_keep_the_order_of_the_column(tmp_path: Path):
    other = {
        "table": "users",
        "group_by": [{"expr": "status", "alias": "phone"}],
        "select_fields": ["id"],
        "order_by": ["phone"],
        "mask": {"phone": "keep"},
    }
    with pytest.raises(
        ConfigError, match=r"order_by\[0\]: order_by phone would tell the order of values that are masked"
    ):
        load(tmp_path, {"users": MASKED, "other": other})


def test_a_window_sees_the_outputs_beside_it(tmp_path: Path):
    fields = [{"expr": "phone", "alias": "a"}, {"expr": "ROW_NUMBER() OVER (ORDER BY a)", "alias": "r"}]
    with pytest.raises(ConfigError, match="the output r shows phone"):
        load(tmp_path, {"users": {"select_fields": fields, "mask": {"a": "hash"}}})


@pytest.mark.parametrize("table", ["mysql.column_stats", "INFORMATION_SCHEMA.column_statistics"])
def test_a_table_that_the_server_fills_is_exported_only_by_leave(tmp_path: Path, table: str):
    with pytest.raises(ConfigError, match=r":\d+:\d+: tables.statistics.table: .* can hold values of masked columns"):
        load(tmp_path, {"users": MASKED, "statistics": {"table": table, "select_fields": ["table_name"]}})


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
        load(tmp_path, {"users": MASKED, "open": {"table": "users"} | keys})


def test_a_count_of_a_column_hides_none(tmp_path: Path):
    figures = [{"expr": "COUNT(DISTINCT phone)", "alias": "n"}]
    config = load(tmp_path, {"users": {"group_by": ["id"], "aggregations": figures, "mask": {"n": "hash"}}})
    assert config.tables[0].hidden_columns == set()


def test_a_chain_of_aliases_is_followed_to_its_end(tmp_path: Path):
    fields = [
        {"expr": "(SELECT b)", "alias": "c"},
        {"expr": "(SELECT a)", "alias": "b"},
        {"expr": "phone", "alias": "a"},
    ]
    with pytest.raises(ConfigError, match="the output c shows phone"):
        load(tmp_path, {"users": {"select_fields": fields, "mask": {"a": "hash", "b": "hash"}}})


def test_an_output_without_a_name_of_its_own_is_called_by_its_text(tmp_path: Path):
    fields = ["LOWER(phone)", {"expr": "(SELECT `lower(phone)`)", "alias": "shown"}]
    with pytest.raises(ConfigError, match="the output shown shows phone"):
        load(tmp_path, {"users": {"select_fields": fields, "mask": {"LOWER(phone)": "hash"}}})


def test_a_masked_output_of_no_column_is_hidden_too(tmp_path: Path):
    fields = ["id", {"expr": "salt_of(1)", "alias": "s"}, {"expr": "(SELECT s)", "alias": "shown"}]
    with pytest.raises(ConfigError, match="the output shown shows s"):
        load(tmp_path, {"users": {"select_fields": fields, "mask": {"s": "hash"}, "allow": {"functions": ["salt_of"]}}})


def test_a_masked_output_has_to_name_its_columns(tmp_path: Path):
    field = {"expr": "(SELECT MAX(b) FROM (SELECT * FROM people) z(a, b))", "alias": "s"}
    with pytest.raises(ConfigError, match="which columns it hides cannot be told"):
        load(tmp_path, {"orders": {"select_fields": ["id", field], "mask": {"s": "hash"}}})


def test_a_mask_on_a_sub_select_hides_the_column_of_the_other_table(tmp_path: Path):
    field = {"expr": "(SELECT u.phone FROM people u WHERE u.id = orders.user_id)", "alias": "s"}
    orders = {"select_fields": ["id", "user_id", field], "mask": {"s": "hash"}, "allow": {"tables": ["people"]}}
    # What it is joined by stays open.
    assert load(tmp_path, {"orders": orders}).tables[0].hidden_columns == set()
    with pytest.raises(ConfigError, match="shows phone, which the entry orders masks"):
        load(tmp_path, {"orders": orders, "people": {"select_fields": ["id", "phone"]}})


def test_a_name_in_a_sub_select_may_be_a_column_of_any_table_there_and_one_outside_is_the_entrys_own(tmp_path: Path):
    inside = "SELECT MAX(n) FROM (SELECT name AS n FROM people) z"
    field = {"expr": f"CONCAT(phone, ({inside}))", "alias": "s"}
    orders = {"select_fields": ["id", field], "mask": {"s": "hash"}, "allow": {"tables": ["people"]}}
    masked = load(tmp_path, {"orders": orders}).tables[0].masked
    assert {table.name: set(columns) for table, columns in masked.items()} == {
        "orders": {"phone", "n", "name"},
        "people": {"n", "name"},
    }


def test_what_tables_are_joined_by_in_a_masked_output_stays_open(tmp_path: Path):
    field = {"expr": "(SELECT MAX(p.name) FROM people p JOIN cards c ON c.number = p.card)", "alias": "s"}
    orders = {"select_fields": ["id", field], "mask": {"s": "hash"}}
    masked = load(tmp_path, {"orders": orders | {"allow": {"tables": ["people", "cards"]}}}).tables[0].masked
    assert {name for columns in masked.values() for name in columns} == {"name"}


def test_all_that_a_file_shows_is_reported_at_once_and_in_its_place(tmp_path: Path):
    with pytest.raises(ConfigError) as refusal:
        load(
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

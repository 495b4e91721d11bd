"""An entry over shards, as the whole file is loaded."""

from pathlib import Path

import pytest

from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.config_file import write_config


def problem(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(folder, f"tables:\n{text}\n"))
    return str(caught.value)


WINDOWS = "partition: {column: a, every: day, start: 2026-01-01}"


@pytest.mark.parametrize(
    ("entry", "place", "message"),
    [
        ("aggregations: [{function: COUNT DISTINCT, field: a}]", "aggregations[0]", "COUNT(DISTINCT ...)"),
        ("aggregations: [{function: COUNT}, {function: STDDEV, field: a}]", "aggregations[1]", "STDDEV_POP(...)"),
        ("group_by: [a], having: COUNT(DISTINCT b) > 1", "having", "COUNT(DISTINCT ...)"),
        ("group_by: [a], having: COUNT(DISTINCTROW b) > 1", "having", "DISTINCTROW is refused"),
        ("aggregations: [{expr: COUNT(DISTINCTROW b), alias: n}]", "aggregations[0].expr", "DISTINCTROW is refused"),
        (f"{WINDOWS}, refresh: {{look_back: 14d, key: MAX(b)}}", "refresh", "look_back: 14d is up to 15 windows of"),
        (
            f"{WINDOWS}, refresh: {{look_back: 1d, key: [MAX(b), COUNT(DISTINCT b)]}}",
            "refresh.key[1]",
            "COUNT(DISTINCT",
        ),
        (
            "select_fields: [a, {expr: 'ROW_NUMBER() OVER (ORDER BY a)', alias: n}]",
            "select_fields[1]",
            "of several tables read as one, each table is read by itself, so a window function",
        ),
        ("select_fields: [a], order_by: ['a', 'SUM(b) OVER () DESC']", "order_by[1]", "of several tables read as one"),
        ("select_fields: [a], shard_column: shard", "shard_column", "shard is in none of the files; add it to"),
    ],
)
def test_what_cannot_be_had_of_shards_is_refused_at_its_key(tmp_path: Path, entry: str, place: str, message: str):
    found = problem(tmp_path, f"  orders: {{table: 'o_{{000..299}}', {entry}}}")
    assert f"tables.orders.{place}: {message}" in found


def test_a_shard_column_needs_shards(tmp_path: Path):
    found = problem(tmp_path, "  orders: {table: o_1, select_fields: [shard], shard_column: shard}")
    assert "tables.orders.shard_column: o_1 is one table, so there are no shards to tell apart" in found


@pytest.mark.parametrize(
    ("masking", "showing"),
    [("'o_{0..3}'", "o_2"), ("o_2", "'o_{0..3}'"), ("'o_{0..3}'", "'o_{3..5}'"), ("[shop.o_1, shop.o_2]", "o_2")],
)
def test_a_mask_of_one_shard_is_one_of_all(tmp_path: Path, masking: str, showing: str):
    hidden = f"  users: {{table: {masking}, select_fields: [phone], mask: {{phone: hash}}}}\n"
    found = problem(tmp_path, f"{hidden}  open: {{table: {showing}, select_fields: [phone]}}")
    assert "tables.open.select_fields[0]: the output phone shows phone, which the entry users masks" in found


def test_another_table_is_not_hidden_by_a_shards_mask(tmp_path: Path):
    hidden = "  users: {table: 'o_{0..3}', select_fields: [phone], mask: {phone: hash}}\n"
    path = write_config(tmp_path, f"tables:\n{hidden}  open: {{table: 'o_{{4..7}}', select_fields: [phone]}}\n")
    assert [len(entry.shards) for entry in load_config(path).tables] == [4, 4]


def test_a_window_function_over_another_table_is_the_same_for_all_shards(tmp_path: Path):
    over = "(SELECT MAX(n) FROM (SELECT ROW_NUMBER() OVER () AS n FROM other) AS numbered)"
    path = write_config(
        tmp_path, f"tables:\n  orders: {{table: 'o_{{0..3}}', select_fields: [{{expr: '{over}', alias: n}}]}}\n"
    )
    assert len(load_config(path).tables) == 1


def test_a_list_of_names_is_one_table(tmp_path: Path):
    path = write_config(tmp_path, "tables:\n  orders: {table: [a.x, 'b.x_{0..1}'], select_fields: [id]}\n")
    (entry,) = load_config(path).tables
    assert [str(table) for table in entry.shards] == ["a.x", "b.x_0", "b.x_1"]

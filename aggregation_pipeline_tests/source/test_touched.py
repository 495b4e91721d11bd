"""Everything that an entry reads is found in its expressions, however it is written."""

import pytest

from aggregation_pipeline.config.model import TableEntry
from aggregation_pipeline.source.touched import Name, touched_by_entry, touched_by_view


def tables(**keys: object) -> set[str]:
    return {str(name) for name in touched_by_entry(TableEntry.model_validate({"name": "t", **keys})).tables}


def test_sub_selects_of_every_key_are_found():
    found = tables(
        table="shop.orders",
        group_by=[{"expr": "(SELECT MAX(a) FROM `by key`)", "alias": "k"}],
        aggregations=[
            {"function": "SUM", "field": "(SELECT 1 FROM by_field)", "alias": "f"},
            {"expr": "MAX((SELECT 1 FROM x.by_expr))", "alias": "e"},
        ],
        select_fields=["id", {"expr": "(select 1 from by_select limit 1)", "alias": "s"}],
        where="id IN (SELECT id FROM a JOIN `库`.`表` AS b ON a.id = b.id, c) AND EXISTS (SELECT 1 FROM (SELECT * FROM deep) AS d)",
        order_by=["(SELECT 1 FROM by_order)"],
    )
    names = {"by key", "by_field", "x.by_expr", "by_select", "a", "库.表", "c", "deep", "by_order"}
    assert found == {"shop.orders"} | names


def test_a_union_and_a_with_are_looked_into_and_their_own_names_are_no_tables():
    where = "id IN (WITH c AS (SELECT id FROM real_one) SELECT id FROM c UNION SELECT id FROM other_one) AND 1 IN (SELECT 1 FROM DUAL)"
    assert tables(where=where) == {"t", "real_one", "other_one"}


@pytest.mark.parametrize("where", ["note = 'SELECT 1 FROM x'", "`select` = 1 AND `from` > 2", "selected_from_x = 1"])
def test_the_word_select_in_a_text_or_a_name_is_no_table(where: str):
    assert tables(where=where) == {"t"}


def test_functions_are_named_for_the_server_to_tell_which_are_stored():
    entry = TableEntry(name="t", where="f(id) = 1 AND shop.g (id) = 2 AND note <> 'h(1)' AND `k`(1) = 3 AND id IN (1, 2)")
    touched = touched_by_entry(entry)
    assert {"f", "k"} <= touched.called
    assert touched.stored == {Name("shop", "g")}
    assert not {"g", "h"} & touched.called


def test_a_view_is_read_as_servers_print_it():
    touched = touched_by_view(
        "select `tr`.`a`.`id` AS `id`,count(0) AS `n`,`f`(`tr`.`a`.`id`) AS `x`,`shop`.`g`() AS `y`"
        " from (`tr`.`a` join `b` on((`a`.`id` = `b`.`id`)))"
    )
    assert touched is not None
    assert touched.tables == {Name("tr", "a"), Name(None, "b")}
    assert touched.stored == {Name(None, "f"), Name("shop", "g")}
    assert touched_by_view("select from where ((") is None

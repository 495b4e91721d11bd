"""Aggregations: their functions, their names, and what is refused."""

import pytest
from pydantic import ValidationError

from aggregation_pipeline.config.columns import Aggregation


@pytest.mark.parametrize("spelling", ["count distinct", "COUNT_DISTINCT", " Count  Distinct "])
def test_a_function_is_known_in_any_case(spelling: str):
    assert Aggregation(function=spelling, field="id").function == "COUNT DISTINCT"
    assert Aggregation(function="group_concat", field="id").function == "GROUP_CONCAT"


@pytest.mark.parametrize(
    ("aggregation", "name"),
    [
        ({"function": "COUNT"}, "COUNT(*)"),
        ({"function": "COUNT", "field": "*"}, "COUNT(*)"),
        ({"function": "sum", "field": "price"}, "SUM(price)"),
        ({"function": "SUM", "field": "price * quantity"}, "SUM(price * quantity)"),
        ({"function": "MAX", "field": "`order date`"}, "MAX(order date)"),
        ({"function": "COUNT DISTINCT", "field": "user_id"}, "COUNT(DISTINCT user_id)"),
        ({"expr": "SUM(price)  /  2"}, "SUM(price) / 2"),
        ({"expr": "SUM(price)", "alias": "revenue"}, "revenue"),
    ],
)
def test_an_output_without_an_alias_is_named_by_its_text(aggregation: dict[str, str], name: str):
    assert Aggregation.model_validate(aggregation).name == name


@pytest.mark.parametrize(
    ("aggregation", "words"),
    [
        ({"alias": "x"}, "either function .* or expr"),
        ({"function": "SUM", "field": "a", "expr": "SUM(a)"}, "either function .* or expr"),
        ({"expr": "SUM(a)", "field": "a"}, "field belongs to function"),
        ({"function": "SUM"}, "SUM needs a field"),
        ({"function": "COUNT DISTINCT", "field": "*"}, "COUNT DISTINCT needs a field"),
        ({"function": "COUNT", "alias": " x"}, "spaces around"),
        ({"function": "COUNT", "alias": "a\nb"}, "line ends"),
        ({"function": "COUNT", "alias": "x" * 257}, "at most 256"),
        ({"expr": "SUM(" + "price + " * 40 + "1)"}, "add an alias"),
    ],
)
def test_an_aggregation_that_makes_no_sense_is_refused(aggregation: dict[str, str], words: str):
    with pytest.raises(ValidationError, match=words):
        Aggregation.model_validate(aggregation)

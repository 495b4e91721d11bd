"""Which columns an output is made of."""

import pytest

from aggregation_pipeline.config.model import TableEntry
from aggregation_pipeline.source.lineage import columns_of, source_columns


@pytest.mark.parametrize(
    ("expression", "columns"),
    [
        ("status", ("status",)),
        ("`Paid At`", ("Paid At",)),
        ("DATE(created_at)", ("created_at",)),
        ("SUM(price * quantity) / COUNT(*)", ("price", "quantity")),
        ("SUM(CASE WHEN o.paid_at IS NULL THEN 1 ELSE 0 END)", ("paid_at",)),
        ("(SELECT MAX(x) FROM other)", ()),
        ("NOW()", ()),
    ],
)
def test_an_expression_names_its_columns(expression, columns):
    assert columns_of(expression) == columns


def test_each_output_leads_to_the_columns_of_the_source():
    entry = TableEntry.model_validate(
        {
            "name": "orders",
            "group_by": [{"expr": "DATE(created_at)", "alias": "day"}],
            "aggregations": [{"function": "COUNT"}, {"function": "SUM", "field": "price", "alias": "revenue"}],
            "select_fields": ["*"],
        }
    )
    assert source_columns(entry, "summary", []) == {}
    assert source_columns(entry, "summary", ["day", "COUNT(*)", "revenue"]) == {
        "day": ("created_at",),
        "COUNT(*)": (),
        "revenue": ("price",),
    }
    assert source_columns(entry, "detail", ["id", "price"]) == {"id": ("id",), "price": ("price",)}

"""Which columns of the source an output is made of."""

import pyarrow as pa
import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.lineage import columns_of, source_columns, with_column_metadata


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


COMMENTS = {"Status": "the state", "price": "in yuan", "id": "number"}


def described_as(entry: TableEntry, dataset: str, names: list[str]) -> dict[str, dict[str, str]]:
    schema = pa.schema([pa.field(name, pa.int64(), metadata={"mysql_type": "X"}) for name in names])
    found = with_column_metadata(schema, entry, dataset, COMMENTS)
    assert [field.metadata[b"mysql_type"] for field in found] == [b"X"] * len(names)
    return {
        field.name: {k.decode(): v.decode() for k, v in field.metadata.items() if k != b"mysql_type"} for field in found
    }


def test_an_output_has_the_comment_of_the_column_that_it_shows_as_it_is():
    fields = [
        "status",
        {"expr": "`price`", "alias": "p"},
        {"expr": "price * 2", "alias": "double"},
        {"expr": "id", "alias": "price"},
    ]
    entry = TableEntry.model_validate({"name": "t", "group_by": ["status", "YEAR(at)"], "select_fields": fields})
    assert described_as(entry, "detail", ["status", "p", "double", "price"]) == {
        "status": {"comment": "the state"},
        "p": {"comment": "in yuan", "alias": "yes"},
        "double": {},
        "price": {"comment": "number", "alias": "yes"},
    }
    assert described_as(entry, "summary", ["status", "YEAR(at)"]) == {
        "status": {"comment": "the state"},
        "YEAR(at)": {},
    }
    whole = TableEntry.model_validate({"name": "t", "select_fields": ["*"]})
    assert described_as(whole, "detail", ["STATUS", "new"]) == {"STATUS": {"comment": "the state"}, "new": {}}


def test_sums_and_counts_of_groups_can_be_added_up_and_other_figures_cannot():
    figures = {
        "n": {"function": "COUNT"},
        "total": {"function": "SUM", "field": "price"},
        "custom": {"expr": "SUM(price * quantity)"},
        "kinds": {"function": "COUNT DISTINCT", "field": "kind"},
        "kinds_too": {"expr": "COUNT(DISTINCT kind)"},
        "mean": {"function": "AVG", "field": "price"},
        "most": {"function": "MAX", "field": "price"},
        "ratio": {"expr": "SUM(price) / COUNT(*)"},
    }
    entry = TableEntry.model_validate(
        {
            "name": "t",
            "group_by": ["id"],
            "aggregations": [{**figure, "alias": name} for name, figure in figures.items()],
        }
    )
    found = described_as(entry, "summary", ["id", *figures])
    assert [name for name, facts in found.items() if facts.get("adds_up") == "yes"] == ["n", "total", "custom"]
    counted = TableEntry(name="t")
    assert described_as(counted, "summary", ["row_count"]) == {"row_count": {"adds_up": "yes"}}

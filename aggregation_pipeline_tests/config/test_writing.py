"""What is written as YAML is read back as it was, whatever its texts hold, and looks as a person would write it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregation_pipeline.config.yaml.document import read_document
from aggregation_pipeline.config.yaml.writing import Commented, entry_text, file_text

_PIECES = (
    *"a1-{}[],:?|>'\"#!~%@&*`é订\U0001f600=\\\ufeff\x85\u2028\u00a0\t\r\n .()<\x00\x7f\ufffe",
    *("yes", "No", "null", "~", "on", "1e5", "0x1f", "12:30", "2026-01-01", "---", "...", "<<", "=", "1,000", "b: "),
    *(" #", "- ", "\n\n", "  ", "DATE(d)", "SELECT 1\n  FROM t\n", "`v1.订单`", "{{ x }}", "!!str", "|-", "? "),
)
_texts = st.one_of(st.text(max_size=30), st.lists(st.sampled_from(_PIECES), max_size=8).map("".join))
_numbers = st.one_of(
    st.integers(-(10**39), 10**39), st.floats(-1e90, 1e90).filter(lambda number: number == 0 or abs(number) > 1e-90)
)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), _numbers, _texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_texts, inner, max_size=4)),
    max_leaves=12,
)


def _commented(value: Any, comments: st.DataObject) -> Any:
    """The same value, with comments drawn for some of what is in it."""
    if isinstance(value, list):
        value = [_commented(item, comments) for item in value]
    elif isinstance(value, dict):
        value = {key: _commented(item, comments) for key, item in value.items()}
    above = comments.draw(st.none() | st.lists(_texts, max_size=2))
    return value if above is None else Commented(value, tuple(above), comments.draw(_texts))


def _read(text: str) -> Any:
    document = read_document(Path("some.yaml"), text.encode())
    assert document.issues == [], text
    return document.data


@given(_texts, st.dictionaries(_texts, _values, max_size=5))
@example("yes", {"a": "1", "b": ["(a", "b)"], "c": [1, 200], "no": {"x" * 2000: "null"}})
@example("订单", {"where": "a = 1\nAND b = '#'\n", "list": ["a\nb", "a\n  b\n", "\na", " a\nb", "a \nb", "a\nb\n\n"]})
def test_any_entry_is_read_back_as_it_was(name: str, body: dict[str, Any]):
    assert _read("tables:\n" + entry_text(name, body)) == {"tables": {name: body}}


@given(st.dictionaries(_texts, _values, max_size=4), st.data(), st.lists(_texts, max_size=3))
def test_no_comment_becomes_a_part_of_the_file(body: dict[str, Any], comments: st.DataObject, head: list[str]):
    text = file_text(head, {"t": _commented(body, comments)}, {"options": {}})
    assert _read(text) == {"options": {}, "tables": {"t": body}}


def test_it_looks_as_the_sample_file_does():
    body: dict[str, Any] = {
        "description": "Sales by day: all of them.",
        "group_by": [{"expr": "DATE(created_at)", "alias": "day"}, Commented("status", beside="few values")],
        "aggregations": [
            {"function": "COUNT", "alias": "orders"},
            {"expr": "SUM(CASE WHEN paid_at IS NULL THEN 'a' ELSE 0 END)", "alias": "unpaid"},
        ],
        "select_fields": ["id", "yes", "`v1.订单`", "订单号"],
        "mask": Commented({"phone": Commented("partial", beside="手机号"), "id_card": "drop"}, ("Personal data.",)),
        "where": "created_at >= '2026-01-01'\n  AND status <> 'a: b'",
        "partition": {"column": "created_at", "every": "day", "start": "2026-01-01"},
        "limit": 1000,
        "checks": [{"values": {"level": [1, 200], "share": [0.5, 1]}, "blocking": True}],
    }
    assert entry_text("orders", Commented(body, ("About 5 rows.",))) == _ORDERS
    assert file_text(["yaml"], {"a": {}, "b": {"limit": 1}}) == "# yaml\n\ntables:\n  a: {}\n\n  b:\n    limit: 1\n"
    assert file_text([], {}) == "tables: {}\n"


_ORDERS = """\
  # About 5 rows.
  orders:
    description: 'Sales by day: all of them.'
    group_by:
      - {expr: DATE(created_at), alias: day}
      - status  # few values
    aggregations:
      - {function: COUNT, alias: orders}
      - {expr: "SUM(CASE WHEN paid_at IS NULL THEN 'a' ELSE 0 END)", alias: unpaid}
    select_fields: [id, 'yes', '`v1.订单`', 订单号]
    # Personal data.
    mask:
      phone: partial  # 手机号
      id_card: drop
    where: |-
      created_at >= '2026-01-01'
        AND status <> 'a: b'
    partition: {column: created_at, every: day, start: 2026-01-01}
    limit: 1000
    checks:
      - values:
          level:
            - 1
            - 200
          share: [0.5, 1]
        blocking: true
"""


@pytest.mark.parametrize("value", ["\ud800", float("inf"), float("nan"), 1e300, 10**41])
def test_what_no_file_can_say_is_refused(value: Any):
    with pytest.raises(ValueError, match=r"surrogate pair|is no number"):
        entry_text("t", {"limit": [value]})

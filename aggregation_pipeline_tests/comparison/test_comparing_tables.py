"""What is found in one table, what may explain it, and what is never shown."""

import hmac
import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from aggregation_pipeline.comparison.report.page import html_page
from aggregation_pipeline.comparison.report.text_report import text_report
from aggregation_pipeline.comparison.results import Comparison, TableResult
from aggregation_pipeline_tests.comparison.comparing import compared, entry_of, extract_of, old_json

SUMMARY = {"group_by": ["status", "DATE(created_at)"], "aggregations": [{"function": "COUNT", "alias": "n"}]}


def compare(
    tmp_path: Path, ours: dict[str, Any], old: list[dict[str, Any]], entry: dict[str, Any] | None = None, **options: Any
) -> TableResult:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old_json(old)), encoding="utf-8")
    model = entry_of(**(entry or {"select_fields": list(ours)}))
    dataset = model.datasets[0]
    order = options.pop("order", "primary key (id)")
    extract = extract_of(tmp_path, pa.table(ours), dataset=dataset, order=order)
    return compared(tmp_path, model, extract, path, file=str(path), **options)


def codes(result: TableResult) -> list[str]:
    return [reason.code for reason in result.reasons]


def all_words(result: TableResult) -> str:
    comparison = Comparison([result])
    pages = [html_page(comparison, "en"), html_page(comparison, "zh")]
    # What a template takes for a text may be a method.
    assert not [page for page in pages if "object at 0x" in page]
    return "\n".join([*text_report(comparison), *pages, json.dumps(comparison.to_dict())])


def test_groups_are_brought_together_by_their_keys(tmp_path: Path):
    ours = {"status": ["a", "b", None], "DATE(created_at)": [date(2026, 11, 20)] * 3, "n": [2, 3, 4]}
    old = [
        {"status": status, "date( `created_at` )": "2026-11-19T16:00:00.000Z", "n": n, "username": "x"}
        for status, n in (("b", 3), (None, 4), ("a", 2))
    ]
    result = compare(tmp_path, ours, old, SUMMARY)
    assert (result.problem, result.status, result.keys) == (None, "equal", ["status", "DATE(created_at)"])
    assert (result.arbitrary, codes(result)) == (["username"], ["arbitrary"])


def test_a_column_that_only_the_old_file_has_is_a_difference(tmp_path: Path):
    """Unless the old query took it from any row of a group, or --ignore names it."""
    detail = compare(tmp_path, {"id": [1]}, [{"id": 1, "amount\x1b": 2}])
    assert (detail.status, detail.columns_only_old, codes(detail)) == ("differs", ["amount\\x1b"], ["only_old"])
    assert compare(tmp_path, {"id": [1]}, [{"id": 1, "amount": 2}], ignored=("amount",)).status == "equal"
    day = [date(2026, 11, 20)]
    ours = {"status": ["a"], "DATE(created_at)": day, "n": [2]}
    old = [{"status": "a", "DATE(created_at)": "2026-11-19T16:00:00.000Z", "n": 2, "revenue": "5.00", "username": "x"}]
    grouped = compare(tmp_path, ours, old, {**SUMMARY, "select_fields": ["username"]})
    assert (grouped.status, grouped.arbitrary, grouped.columns_only_old) == ("differs", ["username"], ["revenue"])
    # One of our figures has none there: the old one has another name.
    renamed = compare(tmp_path, {"status": ["a"], "DATE(created_at)": day, "m": [2]}, old, SUMMARY)
    assert (renamed.status, renamed.columns_only_old) == ("differs", ["n", "revenue", "username"])


def test_groups_of_a_bit_and_of_a_boolean_find_each_other(tmp_path: Path):
    entry = {"group_by": ["flag"], "aggregations": [{"function": "COUNT", "alias": "n"}]}
    bits = pa.schema([pa.field("flag", pa.uint64(), metadata={"mysql_type": "BIT(1)"}), pa.field("n", pa.int64())])
    rows = pa.table({"flag": [1, 0], "n": [2, 3]}, schema=bits)
    extract = extract_of(tmp_path, rows, dataset="summary", order="")
    buffers = [{"flag": {"type": "Buffer", "data": [bit]}, "n": n} for bit, n in ((0, 3), (1, 2))]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old_json(buffers)), encoding="utf-8")
    result = compared(tmp_path, entry_of(**entry), extract, path, file=str(path))
    assert (result.status, result.equal_rows) == ("equal", 2)
    path = tmp_path / "old.csv"
    path.write_text("flag,n\n\x00,3\n\x01,2\n", encoding="utf-8")
    result = compared(tmp_path, entry_of(**entry), extract, path, file=str(path))
    assert (result.problem, result.status, result.equal_rows) == (None, "equal", 2)
    booleans = [{"flag": False, "n": 3}, {"flag": True, "n": 2}]
    flags = compare(tmp_path, {"flag": [True, False], "n": [2, 3]}, booleans, entry)
    assert (flags.status, flags.equal_rows) == ("equal", 2)


def test_a_group_key_that_was_not_selected_there_leaves_the_others(tmp_path: Path):
    """Two groups look the same there: they are paired as they fit."""
    days = [date(2026, 11, 19), date(2026, 11, 20)]
    ours = {"status": ["a", "a"], "DATE(created_at)": days, "n": [2, 3]}
    result = compare(tmp_path, ours, [{"status": "a", "n": 3}, {"status": "a", "n": 2}], SUMMARY)
    assert (result.status, result.keys, result.duplicates) == ("equal", ["status"], {"ours": 1, "old": 1})
    assert result.unasked == ""
    result = compare(tmp_path, ours, [{"n": 3}, {"n": 1}], SUMMARY)
    assert (result.status, result.keys, result.only_ours, result.only_old) == ("differs", [], 1, 1)


def test_the_silent_limit_is_named(tmp_path: Path):
    ours = {"id": list(range(1200))}
    result = compare(tmp_path, ours, [{"id": number} for number in range(1000)])
    assert (result.status, result.only_ours, result.equal_rows) == ("differs", 200, 1000)
    assert codes(result) == ["silent_limit"]
    assert len(result.examples) == 10


def test_a_time_zone_is_suspected_where_all_moments_are_hours_away(tmp_path: Path):
    moments = [datetime.fromisoformat(f"2026-11-20T0{hour}:00") for hour in range(5)]
    ours = {"id": list(range(5)), "at": moments}
    old = [{"id": n, "at": f"{moment.isoformat()}.000Z"} for n, moment in enumerate(moments)]
    result = compare(tmp_path, ours, old)
    assert [(reason.code, reason.values["hours"]) for reason in result.reasons] == [("time_zone_later", "8")]
    assert compare(tmp_path, ours, old, zone=ZoneInfo("UTC")).status == "equal"


def test_rounding_growth_and_now_are_named(tmp_path: Path):
    ours = {"id": [1, 2], "ratio": [0.1, 0.2], "n": [5, 6]}
    old = [{"id": 1, "ratio": 0.10000001, "n": 4}, {"id": 2, "ratio": 0.2, "n": 6}]
    entry = {"select_fields": ["id", "ratio", "n"], "where": "created_at > NOW() - INTERVAL 7 DAY"}
    result = compare(tmp_path, ours, old, entry)
    assert [(reason.code, reason.column) for reason in result.reasons] == [
        ("rounding", "ratio"),
        ("grown", "n"),
        ("now", None),
    ]
    assert compare(tmp_path, ours, old, entry, tolerance=1e-6, ignored=("n",)).status == "equal"
    assert compare(tmp_path, ours, old, entry, only=("id",)).status == "equal"


def test_null_and_an_empty_text_differ_in_json_only(tmp_path: Path):
    ours = {"id": [1, 2], "name": [None, ""]}
    assert compare(tmp_path, ours, [{"id": 1, "name": ""}, {"id": 2}]).differing_rows == 2
    path = tmp_path / "old.csv"
    path.write_text("id,name\n1,\n2,\n", encoding="utf-8")
    extract = extract_of(tmp_path, pa.table({"id": [1, 2], "name": pa.array([None, ""])}))
    result = compared(tmp_path, entry_of(select_fields=["id", "name"]), extract, path, file=str(path))
    assert result.status == "equal"


def test_keys_beyond_what_javascript_counts_find_each_other(tmp_path: Path):
    ids = [2**60, 2**60 + 1, 2**60 + 2]
    ours = {"id": ids, "name": ["a", "b", "c"]}
    # As JavaScript prints all three.
    old = [{"id": 1_152_921_504_606_847_000, "name": name} for name in "cba"]
    result = compare(tmp_path, ours, old)
    assert (result.status, result.notes["id", "lost_digits"]) == ("equal", 3)


def test_duplicates_are_counted(tmp_path: Path):
    result = compare(tmp_path, {"id": [1, 2]}, [{"id": 1}, {"id": 1}, {"id": 2}])
    assert (result.status, result.only_old, result.duplicates) == ("differs", 1, {"old": 1})


def test_what_is_no_key_is_refused(tmp_path: Path):
    result = compare(tmp_path, {"id": [1] * 20_001, "n": [2] * 20_001}, [{"id": 1, "n": 2}])
    assert "over 20,000 rows of one side have the same key" in str(result.problem)
    result = compare(tmp_path, {"id": [1], "n": [2]}, [{"id": 1, "n": 2}], key=("m",))
    assert "--key m: neither side has such a column" in str(result.problem)


def test_the_only_row_of_a_summary_needs_no_key(tmp_path: Path):
    entry = {"aggregations": [{"function": "COUNT", "alias": "n"}, {"function": "SUM", "field": "m", "alias": "sum"}]}
    result = compare(tmp_path, {"n": [2], "sum": [5]}, [{"n": 2, "sum": "6"}], entry)
    assert (result.one_row, result.differing_rows, result.only_ours) == (True, 1, 0)
    assert 'the only row: sum is "5" in ours, "6" in the old file' in all_words(result)


def test_two_sides_that_a_limit_cut_may_have_other_rows(tmp_path: Path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old_json([{"id": 1}, {"id": 2}])), encoding="utf-8")
    extract = extract_of(tmp_path, pa.table({"id": [2, 3]}))
    cut = replace(extract, datasets=(replace(extract.datasets[0], truncated=True),))
    result = compared(tmp_path, entry_of(select_fields=["id"], limit=2), cut, path, file=str(path))
    assert codes(result) == ["both_cut", "only_in_ours", "only_in_old"]


def test_no_rows_at_all(tmp_path: Path):
    nothing = {"id": pa.array([], pa.int64())}
    assert compare(tmp_path, nothing, []).status == "equal"
    assert compare(tmp_path, {"id": [1]}, []).only_ours == 1
    assert compare(tmp_path, nothing, [{"id": 1}]).only_old == 1


def test_old_values_of_masked_columns_are_never_shown(tmp_path: Path):
    """They are masked as ours are, and compared so; what only the old file has is named, without a value."""
    entry = {"select_fields": ["id", "phone", "email"], "mask": {"phone": "partial", "email": "drop"}}
    phones = ["138****5678", "139****9999", "张****"]
    ours = {"id": [1, 2, 3], "phone": phones}
    old = [
        {"id": 1, "phone": "13812345678", "email": "one@example.com"},
        {"id": 2, "phone": "13912344321", "email": "two@example.com"},
        {"id": 3, "phone": "张三", "email": None},
        {"id": 4, "phone": "13600002222", "email": "four@example.com"},
    ]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old_json(old)), encoding="utf-8")
    model = entry_of(**entry)
    table = pa.table(ours)
    extract = extract_of(tmp_path, table)
    masked = replace(extract.datasets[0], masks={"phone": "partial", "email": "drop"})
    extract = replace(extract, datasets=(masked,), masks_fingerprints=model.masks_fingerprints[0])
    result = compared(tmp_path, model, extract, path, file=str(path))
    assert (result.problem, result.status, result.equal_rows, result.differing_rows) == (None, "differs", 2, 1)
    (example,) = [each for each in result.examples if each.column]
    assert (example.column, example.ours, example.old) == ("phone", "139****9999", "(masked)")
    words = all_words(result)
    assert not [secret for secret in ("4321", "1391234", "2222", "example.com", "张三") if secret in words]

    keyed = compared(tmp_path, model, extract, path, file=str(path), key=("phone",))
    assert (keyed.equal_rows, keyed.only_ours, keyed.only_old) == (2, 1, 2)
    assert not [secret for secret in ("4321", "1391234", "2222") if secret in all_words(keyed)]


def test_values_are_escaped_and_cut(tmp_path: Path):
    ours = {"id": [1], "name": ["<script>alert(1)</script>\x1b[31m" + "x" * 200]}
    result = compare(tmp_path, ours, [{"id": 1, "name": "</td>'\""}])
    page = html_page(Comparison([result]), "en")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in all_words(result)
    assert "... (230 characters)" in page


def test_counts_do_not_depend_on_how_many_are_shown(tmp_path: Path):
    ours = {"id": list(range(50)), "n": list(range(50))}
    old = [{"id": n, "n": n + 1} for n in range(50)]
    result = compare(tmp_path, ours, old, examples=3)
    assert (result.differing_rows, result.columns["n"].differing, len(result.examples)) == (50, 50, 3)
    assert "and 47 more" in "\n".join(text_report(Comparison([result])))


def test_a_window_that_is_not_published_is_named(tmp_path: Path):
    entry = entry_of(group_by=["id"])
    extract = extract_of(tmp_path, pa.table({"id": [1]}))
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old_json([])), encoding="utf-8")
    result = compared(tmp_path, entry, extract, path, file=str(path))
    assert "no summary is published, but the entry has one now" in str(result.problem)


def test_the_file_nearest_to_the_tick_is_taken(tmp_path: Path):
    folder = tmp_path / "old"
    folder.mkdir()
    names = ["aggregated_20261120_120000.json", "aggregated_20261121_015900.json", "orders_20261121_020001.csv"]
    for name in names:
        content = json.dumps(old_json([{"id": 1}])) if name.endswith("json") else "id\n1\n"
        (folder / name).write_text(content, encoding="utf-8")
    extract = extract_of(tmp_path, pa.table({"id": [1]}))
    entry = entry_of(select_fields=["id"])
    result = compared(tmp_path, entry, extract, folder)
    assert (result.status, Path(str(result.old_file)).name) == ("equal", names[1])
    assert result.old_moment == "2026-11-21T01:59:00+08:00"
    result = compared(tmp_path, entry, extract, folder, old_format="csv")
    assert Path(str(result.old_file)).name == names[2]
    (folder / names[1]).unlink()
    (folder / names[2]).unlink()
    result = compared(tmp_path, entry, extract, folder, within=timedelta(hours=2))
    assert f"no file within 2 h of 2026-11-21 02:00 (Asia/Shanghai). The nearest are {names[0]}" in str(result.problem)


def test_a_hash_is_compared_by_the_same_key(tmp_path: Path):
    """Without the key nothing is known, and nothing is said to differ."""
    entry = {"select_fields": ["id", "phone"], "mask": {"phone": "hash"}}
    model, key = entry_of(**entry), b"a key that only tests know"
    digests = [hmac.digest(key, phone.encode(), "sha256").hex() for phone in ("13812345678", "13912345678")]
    extract = extract_of(tmp_path, pa.table({"id": [1, 2], "phone": digests}))
    masked = replace(extract.datasets[0], masks={"phone": "hash"})
    extract = replace(extract, datasets=(masked,), masks_fingerprints=model.masks_fingerprints[0])
    path = tmp_path / "old.json"
    path.write_text(
        json.dumps(old_json([{"id": 1, "phone": "13812345678"}, {"id": 2, "phone": "13999999999"}])), encoding="utf-8"
    )
    known = compared(tmp_path, model, extract, path, file=str(path), salt=key)
    assert (known.problem, known.equal_rows, known.columns["phone"].differing) == (None, 1, 1)
    assert "13999999999" not in all_words(known)
    unknown = compared(tmp_path, model, extract, path, file=str(path))
    assert (unknown.status, dict(unknown.notes)) == ("equal", {("phone", "not_compared"): 2})

"""The key `hints` of an entry, and what the rest of the entry has to say for it."""

from pathlib import Path

import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline_tests.support.config_file import find_issues, load_text

WEAK = "'/*+ READ_CONSISTENCY(WEAK) PARALLEL(8) */'"
PARTITION = "partition: {column: d, every: day, start: 2026-01-01}"
REFRESH = f"{PARTITION}\n    refresh: {{look_back: 14d, key: COUNT(*)}}"


def issue(folder: Path, text: str) -> str:
    (found,) = find_issues(folder, text)
    return found


def test_one_hint_stands_alone_and_several_are_a_list(tmp_path: Path):
    config = load_text(
        tmp_path,
        "tables:\n  a: {hints: '/*+ INDEX(a by_day) */'}\n  b: {hints: ['/*+ MRR(b) */', 'FORCE INDEX (by_day)']}\n  c:"
        " {}",
    )
    assert [entry.hints for entry in config.tables] == [
        ("/*+ INDEX(a by_day) */",),
        ("/*+ MRR(b) */", "FORCE INDEX (by_day)"),
        (),
    ]


def test_a_hint_that_is_refused_is_found_at_its_key(tmp_path: Path):
    found = issue(tmp_path, "tables:\n  a:\n    hints: '/*+ SET_VAR(sql_mode=1) */'")
    assert "hints" in found
    assert "sql_mode is no variable that a hint may set" in found


@pytest.mark.parametrize("hint", [WEAK, "/*+TDDL:SLAVE()*/"])
def test_a_read_outside_of_the_snapshot_needs_an_entry_that_wants_none(hint: str, tmp_path: Path):
    found = issue(tmp_path, f"tables:\n  a:\n    hints: {hint}")
    assert "outside of the snapshot" in found
    assert "write `consistency: none` in the entry; its manifest will then say so" in found
    (entry,) = load_text(tmp_path, f"tables:\n  a:\n    consistency: none\n    hints: {hint}").tables
    assert entry.hints == (hint.strip("'"),)
    found = issue(tmp_path, f"tables:\n  a:\n    consistency: none\n    {REFRESH}\n    hints: {hint}")
    assert "late rows could be seen that a run does not read yet; leave the hint or `refresh` out" in found


def test_a_limit_that_is_longer_than_ours_is_refused_whoever_set_ours(tmp_path: Path):
    text = "{limits}tables:\n  a:\n    hints: '/*+ MAX_EXECUTION_TIME(90000) */'\n    {own}"
    for limits, own in (("", "schedule: none"), ("source_limits: {timeout_seconds: 90}\n", "schedule: none")):
        assert load_text(tmp_path, text.format(limits=limits, own=own)).tables
    project = "source_limits: {timeout_seconds: 89}\n"
    for limits, own in ((project, "schedule: none"), ("", project.strip())):
        found = issue(tmp_path, text.format(limits=limits, own=own))
        assert "MAX_EXECUTION_TIME(90000) gives a statement 90 s, more than timeout_seconds = 89 s" in found
        assert "or raise source_limits.timeout_seconds" in found
        assert ".hints" in found
    short = "source_limits: {max_snapshot_seconds: 60}"
    assert "more than max_snapshot_seconds = 60 s" in issue(tmp_path, text.format(limits="", own=short))
    assert load_text(tmp_path, text.format(limits=project, own="source_limits: {timeout_seconds: 90}")).tables


@pytest.mark.parametrize(
    "hint",
    [
        "/*+ QUERY_TIMEOUT(1801000000) */",
        "/*+ SET_VAR(query_timeout=1, query_timeout=1801) */",
        "/*+TDDL:SOCKET_TIMEOUT(1801000)*/",
        "/*+TDDL:CMD_EXTRA(SOCKET_TIMEOUT=1801000)*/",
        "/*+ resource_group=a, query_timeout=1801000 */",
        "/*+ MAX_EXECUTION_TIME(1) MAX_EXECUTION_TIME(1801000) */",
    ],
)
def test_each_server_has_its_own_unit(hint: str, tmp_path: Path):
    text = f'tables:\n  a:\n    hints: "{hint}"'
    assert "a statement 1,801 s, more than timeout_seconds = 1,800 s" in issue(tmp_path, text)
    assert load_text(tmp_path, text.replace("1801", "1800")).tables


def test_hints_are_no_part_of_what_is_asked():
    plain, hinted = (
        TableEntry.model_validate({"name": "a", "selectFields": ["*"], "hints": hints})
        for hints in ((), ("/*+ PARALLEL(8) */", "USE INDEX (b)"))
    )
    assert plain.columns_fingerprint == hinted.columns_fingerprint
    assert plain.masks_fingerprints == hinted.masks_fingerprints
    assert plain.refresh_fingerprint("UTC") == hinted.refresh_fingerprint("UTC")

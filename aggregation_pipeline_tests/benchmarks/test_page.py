"""The figures of a run get into their places of the page."""

from aggregation_pipeline_tests.support.paths import REPOSITORY
from benchmarks.judging import Result, Target, judge
from benchmarks.page import filled
from benchmarks.results_file import as_json

PAGE = """
<!-- bench: machine -->
<!-- end -->
before
<!-- bench: rows -->
| an old table |
<!-- end -->
<!-- bench: targets -->
<!-- end -->
<!-- bench: not run -->
| kept |
<!-- end -->
"""


def test_each_place_gets_its_own_table_and_keeps_the_old_one_if_nothing_was_measured():
    ours = Result("rows", "ours", {"seconds": [1.0, 2.0, 1234.5], "ratio": [1.0, 1.25, 1.3]}, "exact", is_ours=True)
    ours.targets = (Target("ratio", 1.2), Target("ratio", 1.0, beside=("peer",)))
    peer = Result("rows", "peer", error="not installed")
    results = [ours, peer]
    page, missing = filled(PAGE, as_json(results, judge(results)))
    assert missing == ["not run"]
    assert "an old table" not in page
    assert "| kept |" in page
    assert "| **ours** (exact) | 2.00 | 1.25 |" in page
    assert "| peer (not measured: not installed) |  |  |" in page
    assert "| rows: ours | processor ratio <= 1.2 | 1.25 | 1.30 | missed |" in page
    assert "| rows: ours | processor ratio to peer <= 1 |  |  | not measured |" in page
    assert "commit" in page
    assert filled(page, as_json(results, judge(results)))[0] == page


def test_the_page_has_a_place_for_the_machine_and_the_targets():
    page = (REPOSITORY / "docs" / "performance.md").read_text(encoding="utf-8")
    _, missing = filled(page, {"machine": {}, "results": [], "targets": []})
    assert "rows, 1,000,000" in missing
    assert not {"machine", "targets"} & set(missing)

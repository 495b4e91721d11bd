"""A command that makes several runs shows each of them with its own status."""

import pytest

from aggregation_pipeline.local.console import show_result
from aggregation_pipeline.runs.results import Batch, RunResult, TableResult, together


def result(run_id: str, status: str, *tables: str, error: str | None = None) -> RunResult:
    each = {name: TableResult(status, 1, error) for name in tables}
    batch = Batch(run_id, status, len(tables), 1.5, list(tables))
    return RunResult(run_id, status, len(tables), each, [], [batch], 1.5)


def test_each_run_is_shown_with_its_own_status_and_the_id_is_that_of_a_run_with_the_status_of_all(
    capsys: pytest.CaptureFixture[str],
):
    both = together([result("11111111", "completed", "users"), result("22222222", "failed", "orders", error="no")], {})
    printed = both.to_dict()
    assert (printed["batch_job_id"], printed["status"]) == ("22222222", "failed")
    assert [(batch["batch_job_id"], batch["status"], batch["tables"]) for batch in printed["batches"]] == [
        ("11111111", "completed", ["users"]),
        ("22222222", "failed", ["orders"]),
    ]
    show_result(both)
    shown = capsys.readouterr().err.splitlines()
    assert shown[:2] == ["Run 11111111: completed in 1.5 s (users)", "Run 22222222: failed in 1.5 s (orders)"]


def test_an_error_that_all_tables_share_is_shown_once(capsys: pytest.CaptureFixture[str]):
    show_result(result("11111111", "failed", "users", "orders", error="Access denied"))
    shown = capsys.readouterr().err
    assert shown.count("Access denied") == 1
    assert "users, orders: Access denied" in shown

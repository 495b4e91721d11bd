"""Checks in Dagster's events and in the manifest: a blocking one keeps its window from being published."""

import logging
import warnings as python_warnings
from typing import Any

from dagster import (
    AssetCheckKey,
    AssetCheckSeverity,
    AssetKey,
    AssetSelection,
    DagsterEventType,
    Definitions,
    ExecuteInProcessResult,
    define_asset_job,
)

from aggregation_pipeline.assets.keys import export_key, table_key
from aggregation_pipeline.errors import SourceLostError
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.shop import (
    DAYS,
    ORDERS,
    Shop,
    execute_job,
    failure_message,
    latest_metadata,
    partition_range,
)

CHECKED = (
    ORDERS.rstrip() + "\n        checks: [{max_rows: 3, unique: [id], blocking: true}, {min_rows: 4, severity: warn}]\n"
)
MORE = "INSERT INTO orders VALUES (901, 'new', '2026-11-04 20:00:00'), (902, 'new', '2026-11-04 21:00:00')"


def verdicts(result: ExecuteInProcessResult, check: str) -> dict[str | None, bool]:
    """By partition, whether a check passed."""
    found = [one for one in result.get_asset_check_evaluations() if one.check_name == check]
    assert len({one.partition for one in found}) == len(found), "one verdict for each partition"
    return {one.partition: one.passed for one in found}


def test_each_partition_of_a_run_has_its_own_verdict_and_a_blocking_one_publishes_nothing(shop):
    shop.execute(MORE)
    result = execute_job(shop, CHECKED, tags=partition_range(DAYS[2], DAYS[4]))
    assert not result.success
    assert shop.windows() == [DAYS[2], DAYS[4]]
    assert (
        "2026-11-04: Nothing was published, because blocking checks failed: max_rows: 5 rows, at most 3 expected."
        in failure_message(result)
    )
    three = DAYS[2:5]
    assert verdicts(result, "max_rows") == dict(zip(three, (True, False, True), strict=True))
    assert verdicts(result, "min_rows") == dict(zip(three, (False, True, False), strict=True))
    for name in (
        "unique",
        "not_truncated",
        "schema_unchanged",
        "snapshot_held",
        "formats_reconciled",
        "stable_names_set",
    ):
        assert verdicts(result, name) == dict.fromkeys(three, True)
    (failed,) = (one for one in result.get_asset_check_evaluations() if one.check_name == "max_rows" and not one.passed)
    assert (failed.description, failed.severity) == ("5 rows, at most 3 expected", AssetCheckSeverity.ERROR)
    assert failed.target_materialization_data is None
    for one in result.get_asset_check_evaluations():
        target = one.target_materialization_data
        assert (target and target.run_id) == (None if one.partition == DAYS[3] else result.run_id)


def test_a_retry_keeps_the_verdicts_of_what_was_published_before_it(shop, monkeypatch):
    monkeypatch.setattr("aggregation_pipeline.assets.retries.seconds_to_wait", lambda _retry: 0)
    calls: list[str] = []

    def lost_once(request: ReadRequest, *arguments: Any, **options: Any) -> Any:
        calls.append(request.window)
        if request.window == DAYS[1] and calls.count(DAYS[1]) == 1:
            raise SourceLostError("the server went away")
        return export_window(request, *arguments, **options)

    monkeypatch.setattr("aggregation_pipeline.assets.table_run.export_window", lost_once)
    result = execute_job(shop, CHECKED, tags=partition_range(DAYS[0], DAYS[2]))
    assert result.success
    assert calls == [DAYS[0], DAYS[1], DAYS[1], DAYS[2]]
    assert verdicts(result, "max_rows") == dict.fromkeys(DAYS[:3], True)
    key = AssetCheckKey(table_key("orders"), "max_rows")
    stored = shop.instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert {(record.partition, record.status.value) for record in stored} == {(day, "SUCCEEDED") for day in DAYS[:3]}


def test_of_a_table_that_is_refused_only_the_check_that_refused_it_is_red(shop):
    shop.execute(MORE)
    result = execute_job(shop, CHECKED, partition_key=DAYS[3])
    assert not result.success
    found = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert [name for name, one in found.items() if not one.passed] == ["max_rows"]
    assert set(found) == planned_checks(shop, result.run_id), "one that Dagster hears nothing of is shown as failed"
    assert (
        found["formats_reconciled"].description
        == "Not evaluated: a blocking check failed before, and nothing was published."
    )


def test_a_change_of_columns_is_reported_once_a_run_and_says_who_has_changed(shop):
    assert execute_job(shop, tags=partition_range(DAYS[0], DAYS[3])).success
    shop.execute("ALTER TABLE orders MODIFY status CHAR(10), MODIFY id BIGINT")
    (warning,) = warnings(shop, execute_job(shop, tags=partition_range(DAYS[0], DAYS[3])).run_id)
    words = "the source table has changed, the entry asks for the same: detail.id was int32 and is int64"
    assert warning == f"orders {DAYS[0]}: check schema_unchanged failed (warn): {words}"
    fewer = ORDERS.replace("select_fields: [id, status, created_at]", "select_fields: [id, created_at]")
    assert fewer != ORDERS
    (warning,) = warnings(shop, execute_job(shop, fewer, tags=partition_range(DAYS[0], DAYS[3])).run_id)
    assert warning.endswith("the entry asks for other columns than the last time: detail.status is gone")


def planned_checks(shop: Shop, run_id: str) -> set[str]:
    entries = shop.instance.all_logs(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
    return {entry.get_dagster_event().asset_check_planned_data.asset_check_key.name for entry in entries}


def warnings(shop: Shop, run_id: str) -> list[str]:
    return [entry.user_message for entry in shop.instance.all_logs(run_id) if entry.level == logging.WARNING]


def test_a_check_result_belongs_to_the_materialization_that_it_is_about(shop):
    for partition in DAYS[:2]:
        result = execute_job(shop, CHECKED, partition_key=partition)
        targets = {
            one.target_materialization_data.run_id if one.target_materialization_data else None
            for one in result.get_asset_check_evaluations()
        }
        assert targets == {result.run_id}


def test_what_is_not_blocking_is_published_and_the_manifest_says_so(shop):
    assert execute_job(shop, CHECKED, partition_key=DAYS[0]).success
    manifest = shop.manifest(DAYS[0])
    assert manifest is not None
    assert {check.name: (check.passed, check.severity) for check in manifest.checks} == {
        "not_truncated": (True, "warn"),
        "schema_unchanged": (True, "warn"),
        "snapshot_held": (True, "warn"),
        "max_rows": (True, "error"),
        "unique": (True, "error"),
        "min_rows": (False, "warn"),
        "formats_reconciled": (True, "error"),
    }
    # Rendering a format again asks the database nothing, so there is nothing new to check.
    result = execute_job(shop, CHECKED, partition_key=DAYS[0], asset_selection=[export_key("orders", "csv")])
    assert result.success
    assert not result.get_asset_check_evaluations()
    assert shop.manifest(DAYS[0]) == manifest


def test_nobody_is_told_that_a_feature_of_dagster_is_a_preview(shop):
    with python_warnings.catch_warnings(record=True) as found:
        python_warnings.simplefilter("always")
        shop.definitions(CHECKED).get_repository_def()
    assert [str(each.message) for each in found if "preview" in str(each.message)] == []


def test_checks_are_linked_to_what_their_own_run_published(shop):
    for options in (
        {"partition_key": DAYS[0]},
        {"partition_key": DAYS[0]},
        {"tags": partition_range(DAYS[0], DAYS[2])},
    ):
        result = execute_job(shop, CHECKED, **options)
        targets = [check.target_materialization_data for check in result.get_asset_check_evaluations()]
        assert {target and target.run_id for target in targets} == {result.run_id}


def test_checks_that_are_executed_alone_evaluate_what_is_published_and_publish_nothing(shop):
    assert execute_job(shop, CHECKED, partition_key=DAYS[0]).success
    published = shop.manifest(DAYS[0])
    # As "Execute all" on the table's page does it: without a partition, the checks and no asset.
    checks = AssetSelection.checks_for_assets(AssetKey(table_key("orders").path))
    stricter = CHECKED.replace("min_rows: 4", "min_rows: 2")
    job = define_asset_job("checks", selection=checks)
    definitions = Definitions.merge(shop.definitions(stricter), Definitions(jobs=[job]))
    result = definitions.resolve_job_def("checks").execute_in_process(instance=shop.instance, raise_on_error=False)
    assert result.success
    assert {one.partition for one in result.get_asset_check_evaluations()} == {DAYS[0]}
    assert {one.check_name: one.passed for one in result.get_asset_check_evaluations()} == dict.fromkeys(
        ["max_rows", "unique", "min_rows", "not_truncated", "schema_unchanged", "snapshot_held", "formats_reconciled"],
        True,
    )
    assert result.get_asset_materialization_events() == []
    assert shop.manifest(DAYS[0]) == published


def test_a_tables_page_shows_columns_with_comments_and_where_they_come_from(shop):
    assert execute_job(shop, partition_key=DAYS[0]).success
    described = latest_metadata(shop, table_key("orders"))[DAYS[0]]
    columns = {column.name: column for column in described["dagster/column_schema"].columns}
    assert columns["detail.status"].description == "where it is; from orders.status"
    assert columns["detail.status"].type == "VARCHAR"
    lineage = described["dagster/column_lineage"].deps_by_column
    (dep,) = lineage["detail.created_at"]
    assert dep.asset_key.path == ["mysql", shop.database, "orders"]
    assert dep.column_name == "created_at"
    assert "summary.orders" not in lineage
    assert isinstance(described["publish seconds"], float)


def test_an_entrys_page_links_to_its_lines_and_says_how_fresh_it_has_to_be(shop):
    text = ORDERS.rstrip() + "\n        freshness: {fail_after: 26h, warn_after: 25h}\n        owners: [team:sales]\n"
    node = shop.definitions(text).get_repository_def().asset_graph.get(table_key("orders"))
    (reference,) = node.metadata["dagster/code_references"].code_references
    assert (reference.line_number, reference.label) == (3, "orders in aggregation.yaml")
    assert node.freshness_policy.fail_window.to_timedelta().total_seconds() == 26 * 3600
    assert list(node.owners) == ["team:sales"]
    assert node.pools == {f"source_{shop.database}"}

"""The newest verdict of each check and partition, whatever came before it and beside it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from dagster import AssetKey, DagsterInstance

from aggregation_pipeline.runs.latest_checks import checks_of, failed_checks, failed_evaluations
from aggregation_pipeline_tests.support.runs import open_instance, report_check

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

ORDERS = AssetKey(["aggregation", "orders"])


@pytest.fixture(scope="module")
def instance(postgres: "PostgresServer") -> Iterator[DagsterInstance]:
    with open_instance(postgres.fresh_database()) as found:
        yield found


def report(instance: DagsterInstance, partition: str | None, *, passed: bool, name: str = "min_rows") -> None:
    report_check(instance, ORDERS, name, partition, passed=passed)


def test_each_partition_keeps_its_own_verdict(instance: DagsterInstance):
    begun = datetime.now(UTC)

    def failed() -> list[tuple[str, str | None]]:
        return sorted((check.name, check.partition) for check in failed_checks(instance))

    # Stored before checks had partitions: it counts until a partition is checked.
    report(instance, None, passed=False)
    assert failed() == [("min_rows", None)]
    report(instance, "2026-11-02", passed=True)
    assert failed() == []
    report(instance, "2026-11-01", passed=False)
    report(instance, "2026-11-03", passed=False)
    report(instance, "2026-11-03", passed=True)
    report(instance, "2026-11-04", passed=True)
    report(instance, "2026-11-01", passed=False, name="unique")
    assert failed() == [("min_rows", "2026-11-01"), ("unique", "2026-11-01")]
    # A page shows the newest of each check, and what is wrong.
    shown = [(check.name, check.partition, check.passed) for check in checks_of(instance, [ORDERS])]
    assert shown == [
        ("min_rows", "2026-11-04", True),
        ("min_rows", "2026-11-01", False),
        ("unique", "2026-11-01", False),
    ]
    assert [
        (record.key.name, record.partition) for record in failed_evaluations(instance, begun - timedelta(seconds=5))
    ] == [
        ("min_rows", None),
        ("min_rows", "2026-11-01"),
        ("min_rows", "2026-11-03"),
        ("unique", "2026-11-01"),
    ]
    assert failed_evaluations(instance, datetime.now(UTC) + timedelta(hours=1)) == []
    # The table has no partitions any more.
    report(instance, None, passed=True)
    # That of a component in somebody's project on the same storage, which has a table of that name.
    report_check(instance, AssetKey(["night", *ORDERS.path]), "max_rows", "2026-11-01", passed=False)
    assert failed() == [("unique", "2026-11-01")]

"""Limits of pools come and go with aggregation.yaml."""

import json
from collections.abc import Iterator

import pytest
from dagster import DagsterInstance

from aggregation_pipeline.automation.pools import set_pool_limits

POOLS = ("source_crm.shop", "source_erp.shop", "source_of_people")


@pytest.fixture
def pools(instance: DagsterInstance) -> Iterator[DagsterInstance]:
    yield instance
    for pool in POOLS:
        instance.event_log_storage.delete_concurrency_limit(pool)
    instance.run_storage.set_cursor_values(dict.fromkeys(map("aggregation_pool_limits:{}".format, "ab"), "{}"))


def limits(instance: DagsterInstance) -> dict[str, int]:
    return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits() if not pool.from_default}


def test_a_limit_that_is_taken_out_of_the_file_ends(pools: DagsterInstance):
    crm, erp, people = POOLS
    pools.event_log_storage.set_concurrency_slots(people, 7)
    set_pool_limits(pools, {crm: 2, erp: 3}, "a")
    assert limits(pools) == {crm: 2, erp: 3, people: 7}
    set_pool_limits(pools, {erp: 3}, "a")
    assert limits(pools) == {erp: 3, people: 7}
    default = pools.global_op_concurrency_default_limit
    if default is not None:
        assert pools.event_log_storage.get_concurrency_info(crm).slot_count == default
    # Somebody has changed it meanwhile, so it is theirs.
    pools.event_log_storage.set_concurrency_slots(erp, 5)
    set_pool_limits(pools, {}, "a")
    assert limits(pools) == {erp: 5, people: 7}


def test_a_deployment_ends_only_limits_of_its_own(pools: DagsterInstance):
    crm, erp, _ = POOLS
    set_pool_limits(pools, {crm: 2}, "a")
    set_pool_limits(pools, {erp: 3}, "b")
    set_pool_limits(pools, {}, "b")
    assert limits(pools) == {crm: 2}


@pytest.mark.parametrize("stored", ["", "[]", "null", '{"source_crm.shop": null}'])
def test_what_is_remembered_and_cannot_be_read_counts_as_nothing(pools: DagsterInstance, stored: str):
    pools.run_storage.set_cursor_values({"aggregation_pool_limits:a": stored})
    set_pool_limits(pools, {POOLS[0]: 2}, "a")
    assert limits(pools) == {POOLS[0]: 2}
    remembered = pools.run_storage.get_cursor_values({"aggregation_pool_limits:a"})
    assert json.loads(remembered["aggregation_pool_limits:a"]) == {POOLS[0]: 2}

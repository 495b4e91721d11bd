"""Every lock of the project has a number of its own, and one module makes them all."""

import re
from pathlib import Path
from typing import Any

import pytest

import aggregation_pipeline
from aggregation_pipeline.alerts import outbox_table
from aggregation_pipeline.batch_jobs import table as batch_jobs_table
from aggregation_pipeline.instance import schema
from aggregation_pipeline.postgres.advisory_lock import (
    AdvisoryLock,
    describe_holder,
    is_held_here,
    lock_key,
    release_all,
    try_in_session,
)
from aggregation_pipeline.postgres.engine import create_engine

PACKAGE = Path(aggregation_pipeline.__file__).parent
SQL_FUNCTION = re.compile(r"pg_(?:try_)?advisory_\w+|hashtextextended")


def test_all_registered_keys_are_distinct_with_and_without_parts():
    keys = [lock_key(lock, *parts) for lock in AdvisoryLock for parts in ((), ("a",), ("a", "b"), ("a", "b", "c"))]
    assert len(set(keys)) == len(keys)
    assert all(-(2**63) <= key < 2**63 for key in keys)


def test_a_purpose_that_continues_another_does_not_meet_it():
    """`aggregation alerts` of a deployment `to x` is not `aggregation alerts to` the channel `x`."""
    assert lock_key(AdvisoryLock.ALERT_OUTBOX, "to x") != lock_key(AdvisoryLock.ALERT_DELIVERY, "x")


def test_only_the_registry_calls_postgresqls_functions_for_advisory_locks():
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if SQL_FUNCTION.search(path.read_text("utf-8"))
    }
    assert found == {"postgres/advisory_lock.py"}
    assert re.search(r"lock\(\s*\d", (PACKAGE / "postgres" / "advisory_lock.py").read_text("utf-8")) is None


def test_every_registered_lock_can_be_held_beside_all_others(postgres: Any):
    one, other = (create_engine(postgres.url, application_name=f"aggregation {name}") for name in ("one", "other"))
    with one.connect() as holder, other.connect() as neighbour:
        for number, lock in enumerate(AdvisoryLock):
            assert try_in_session(neighbour if number % 2 else holder, lock_key(lock)), lock
        key = lock_key(AdvisoryLock.WINDOW)
        assert is_held_here(holder, key)
        assert not is_held_here(neighbour, key)
        assert not try_in_session(neighbour, key)
        who = describe_holder(neighbour, key)
        assert who is not None
        assert re.fullmatch(r"aggregation one \(PostgreSQL process \d+\)", who[0])
        release_all(holder)
        assert describe_holder(neighbour, key) is None


@pytest.mark.parametrize("ensure", [outbox_table.ensure_tables, batch_jobs_table.ensure_table])
def test_our_own_tables_are_made_while_another_process_makes_dagsters(postgres: Any, ensure: Any):
    url = postgres.fresh_database()
    with schema.one_process_at_a_time(url):
        assert ensure(create_engine(url, application_name="aggregation test", statement_timeout=2.0))

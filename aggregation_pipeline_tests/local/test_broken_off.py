"""A run that this process breaks off does not stay open."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from dagster import DagsterEventType, DagsterInstance

from aggregation_pipeline.local.broken_off import BROKEN_OFF, failing_when_broken_off
from aggregation_pipeline_tests.support.runs import FakeTable, create, open_instance


@pytest.fixture(scope="module")
def instance(postgres: Any) -> Iterator[DagsterInstance]:
    with open_instance(postgres.fresh_database()) as opened:
        yield opened


@pytest.fixture
def default_sigterm() -> Iterator[None]:
    """As a process begins; other tests may have left a handler."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def status(instance: DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status.value


@pytest.mark.usefixtures("default_sigterm")
@pytest.mark.parametrize("events", [(), (DagsterEventType.RUN_START,)], ids=["not started", "started"])
def test_an_open_run_fails_when_the_process_is_told_to_end(
    instance: DagsterInstance, events: tuple[DagsterEventType, ...]
):
    run_id = create(instance, [FakeTable("t")], *events).run_id
    with pytest.raises(KeyboardInterrupt), failing_when_broken_off(instance, run_id):
        os.kill(os.getpid(), signal.SIGTERM)
    assert status(instance, run_id) == "FAILURE"
    assert any(BROKEN_OFF in entry.message for entry in instance.all_logs(run_id))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_run_that_has_ended_and_one_that_was_never_created_are_left_alone(instance: DagsterInstance):
    ended = create(instance, [FakeTable("t")], DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS).run_id
    for run_id in (ended, "4ac5e3f5-3e34-4a8e-8b8e-7e0c4c4bd5f0"):
        with pytest.raises(ZeroDivisionError), failing_when_broken_off(instance, run_id):
            1 / 0  # noqa: B018 - any error
    assert status(instance, ended) == "SUCCESS"

"""Supabase answers late, wrongly or not at all."""

import time

import pytest
import sqlalchemy as sa

from aggregation_pipeline.batch_jobs import supabase
from aggregation_pipeline.batch_jobs.supabase import SupabaseRepository, supabase_repository
from aggregation_pipeline.errors import MirrorBusyError
from aggregation_pipeline_tests.batch_jobs.test_writer import RUN_ID, reading
from aggregation_pipeline_tests.support.runs import rows
from aggregation_pipeline_tests.support.servers.postgrest import FakePostgrest


@pytest.mark.parametrize("fault", [503, 429, "reset", "lost"])
def test_a_passing_fault_is_tried_again_and_a_lost_answer_changes_nothing_twice(
    engine: sa.Engine, api: FakePostgrest, rest: SupabaseRepository, fault: int | str
):
    api.faults = [fault]
    assert rest.record(reading(8)) is (fault != "lost")
    assert (rows(engine)[RUN_ID].status, len(api.calls)) == ("completed", 2)


def test_a_fault_that_stays_is_told_with_the_project_but_not_the_key(api: FakePostgrest, rest: SupabaseRepository):
    api.faults = [503, 503, 503]
    with pytest.raises(
        MirrorBusyError, match=r"batch_jobs cannot be reached by http://127.*HTTP 503. Check SUPABASE_URL"
    ) as caught:
        rest.record(reading(8))
    assert "service-key" not in str(caught.value) + repr(caught.value)


def test_nothing_is_tried_when_the_time_is_up(api: FakePostgrest):
    with (
        supabase_repository(api.url, "service-key", 0) as opened,
        pytest.raises(MirrorBusyError, match="no time was left"),
    ):
        opened.record(reading(8))
    assert api.calls == []


def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch):
    import socket

    monkeypatch.setattr(supabase, "_READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with (
            supabase_repository(f"http://127.0.0.1:{silent.getsockname()[1]}", "k", 2) as opened,
            pytest.raises(MirrorBusyError),
        ):
            opened.record(reading(8))
        assert time.monotonic() - began < 5

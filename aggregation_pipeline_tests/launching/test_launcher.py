"""A request is launched once for each key, all of its runs or none, and never beside runs that write its windows."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from dagster import DagsterEventType, DagsterRunStatus

from aggregation_pipeline.automation import lost_runs
from aggregation_pipeline.errors import LaunchError, NotReadyError, UnfinishedError
from aggregation_pipeline.launching import requests
from aggregation_pipeline.launching.launcher import Launched, Launcher
from aggregation_pipeline.launching.plan import LaunchRequest
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.runs.tags import PARTITION_NAME_TAG, REQUEST_ID_TAG, REQUESTED_BY_TAG, WINDOW_TAG
from aggregation_pipeline_tests.launching.conftest import CONFIG
from aggregation_pipeline_tests.support.runs import FakeTable, create

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.code_location import Loaded

DAY = LaunchRequest(tables=("orders",), first="2026-11-20", last="2026-11-20")
USERS = LaunchRequest(tables=("users",))


@pytest.fixture
def key() -> str:
    """A key of the test's own: Dagster keeps something of runs that are deleted, and ids follow from keys."""
    return uuid4().hex


class Killed(BaseException):
    """Ends whatever goes on, as if the process were killed."""


@pytest.fixture(autouse=True)
def no_runs(place: "Loaded") -> None:
    """Begin without runs, and without requests."""
    for run in place.instance.get_runs():
        place.instance.delete_run(run.run_id)
    execute(place, f"DROP SCHEMA IF EXISTS {requests.SCHEMA} CASCADE")


@pytest.fixture
def launcher(place: "Loaded") -> Launcher:
    return Launcher(place.settings, place.context, place.project)


def execute(place: "Loaded", text: str) -> Any:
    engine = create_engine(place.settings.require_dagster_url(), application_name="aggregation test")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        result = connection.execute(sa.text(text))
        return result.all() if result.returns_rows else None


def statuses(place: "Loaded") -> Mapping[str, DagsterRunStatus]:
    return {run.run_id: run.status for run in place.instance.get_runs()}


def launch(launcher: Launcher, request: LaunchRequest = DAY, key: str | None = None, name: str = "ann") -> Launched:
    return launcher.launch(request, requested_by=name, key=key)


def test_runs_are_in_the_queue_of_their_job_with_the_name_of_who_asked(place: "Loaded", launcher: Launcher):
    launched = launch(launcher, LaunchRequest(tables=("users", "orders"), formats=("csv",)))
    assert not launched.replayed
    found = {run.job_name: run for run in place.instance.get_runs()}
    assert {run.run_id for run in found.values()} == {run.run_id for run in launched.request.plan.runs}
    users = found["aggregate"]
    assert users.status == DagsterRunStatus.QUEUED
    assert users.tags.items() >= {REQUESTED_BY_TAG: "ann", REQUEST_ID_TAG: str(launched.request.id)}.items()
    assert {key.to_user_string() for key in users.asset_selection or ()} == {
        "aggregation/users",
        "export/users_csv",
        "export/users_manifest",
    }
    (orders,) = [run for job, run in found.items() if job != "aggregate"]
    assert orders.tags[PARTITION_NAME_TAG]
    assert launcher.find(launched.request.id) == launched.request, "it is known without a key, too"


def test_twenty_requests_with_one_key_make_one_set_of_runs(place: "Loaded", launcher: Launcher, key: str):
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: launch(launcher, LaunchRequest(), key), range(20)))
    assert len({one.request.id for one in found}) == 1
    assert sorted(one.replayed for one in found) == [False] + [True] * 19
    assert statuses(place) == dict.fromkeys([run.run_id for run in found[0].request.plan.runs], DagsterRunStatus.QUEUED)


def test_of_requests_for_one_window_one_is_launched_and_the_others_are_told_its_run(
    place: "Loaded", launcher: Launcher, key: str
):
    def one(number: int) -> Launched | UnfinishedError:
        try:
            return launch(launcher, DAY, f"{key} {number}")
        except UnfinishedError as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(8)))
    (winner,) = [each for each in found if isinstance(each, Launched)]
    (run,) = winner.request.plan.runs
    others = [each for each in found if isinstance(each, UnfinishedError)]
    assert [each.tables_by_run for each in others] == [{run.run_id: ["orders"]}] * 7
    assert f"orders (run {run.run_id})" in str(others[0])
    assert len(statuses(place)) == 1


def test_a_key_belongs_to_who_used_it_and_to_what_was_asked_for(launcher: Launcher, key: str):
    first = launch(launcher, DAY, key)
    with pytest.raises(LaunchError, match="stands for another request, which was made at"):
        launch(launcher, USERS, key)
    with pytest.raises(UnfinishedError):
        launch(launcher, DAY, key, name="bob")
    assert launch(launcher, DAY, key).request == first.request


@pytest.mark.parametrize("repeated", [True, False])
def test_runs_that_were_created_and_not_queued_are_queued(
    place: "Loaded", launcher: Launcher, monkeypatch: pytest.MonkeyPatch, key: str, *, repeated: bool
):
    """By the repeat of the request, or without one by the sensor that looks after lost runs."""
    both = LaunchRequest(tables=("users", "orders"))
    with monkeypatch.context() as patched:

        def die(*_: object) -> None:
            raise Killed

        patched.setattr(place.instance, "submit_run", die)
        with pytest.raises(Killed):
            launch(launcher, both, key if repeated else None)
    ((run_id, status),) = statuses(place).items()
    assert status == DagsterRunStatus.NOT_STARTED
    with pytest.raises(UnfinishedError):
        launch(launcher, both, None)
    if not repeated:
        lost_runs.submit_abandoned(place.instance)
        assert statuses(place)[run_id] == DagsterRunStatus.NOT_STARTED, "somebody may be about to do it"
        monkeypatch.setattr(lost_runs, "_ABANDONED_AFTER", timedelta(0))
        lost_runs.submit_abandoned(place.instance)
        assert statuses(place) == {run_id: DagsterRunStatus.QUEUED}
    else:
        again = launch(launcher, both, key)
        assert again.replayed
        assert len(again.request.plan.runs) == 2
        assert statuses(place) == dict.fromkeys(
            [run.run_id for run in again.request.plan.runs], DagsterRunStatus.QUEUED
        )


def test_a_request_that_is_done_makes_no_run_again_even_if_its_runs_were_deleted(
    place: "Loaded", launcher: Launcher, key: str
):
    (run,) = launch(launcher, DAY, key).request.plan.runs
    place.instance.delete_run(run.run_id)
    assert launch(launcher, DAY, key).replayed
    assert statuses(place) == {}


def test_a_key_is_new_again_after_a_week(place: "Loaded", launcher: Launcher, key: str):
    first = launch(launcher, DAY, key).request
    execute(place, "UPDATE aggregation_launches.requests SET created_at = created_at - interval '8 days'")
    assert launcher.find(first.id) is None
    place.instance.report_run_canceled(place.instance.get_runs()[0])
    second = launch(launcher, DAY, key)
    assert not second.replayed
    assert second.request.id == first.id
    assert {run.run_id for run in first.plan.runs}.isdisjoint(run.run_id for run in second.request.plan.runs)
    assert execute(place, "SELECT count(*) FROM aggregation_launches.requests") == [(1,)], "the old one is deleted"


def other_run(place: "Loaded", segment: str, **tags: str) -> str:
    """A run that somebody else has launched, and that waits in the queue."""
    run = create(place.instance, [FakeTable(segment)], DagsterEventType.RUN_ENQUEUED, tags=tags)
    return run.run_id


@pytest.mark.parametrize(
    ("tags", "request_", "is_refused"),
    [
        ({}, USERS, True),
        ({"dagster/schedule_name": "aggregate_schedule", WINDOW_TAG: "2026-11-26"}, USERS, True),
        ({WINDOW_TAG: "2026-11-20"}, USERS, False),
        ({WINDOW_TAG: "2026-11-20"}, LaunchRequest(tables=("users",), at="2026-11-20T02:00"), True),
        ({WINDOW_TAG: "2026-11-19"}, LaunchRequest(tables=("users",), at="2026-11-20T02:00"), False),
        ({}, LaunchRequest(tables=("orders",)), False),
        ({}, LaunchRequest(), True),
    ],
)
def test_a_queued_run_of_a_whole_table_counts_if_it_stands_for_the_same_moment(
    place: "Loaded", launcher: Launcher, tags: dict[str, str], request_: LaunchRequest, is_refused: bool
):
    run_id = other_run(place, "users", **tags)
    if is_refused:
        with pytest.raises(UnfinishedError) as error:
            launch(launcher, request_)
        assert error.value.tables_by_run == {run_id: ["users"]}
        assert [*statuses(place)] == [run_id], "nothing was launched, not even other tables"
    else:
        launch(launcher, request_)


def test_runs_over_several_partitions_count_for_each_of_them(place: "Loaded", launcher: Launcher):
    (run,) = launch(
        launcher, LaunchRequest(tables=("orders",), first="2026-11-10", last="2026-11-20")
    ).request.plan.runs
    with pytest.raises(UnfinishedError) as error:
        launch(launcher, LaunchRequest(tables=("orders", "payments"), first="2026-11-15", last="2026-11-15"))
    assert error.value.tables_by_run == {run.run_id: ["orders"]}
    launch(launcher, LaunchRequest(tables=("orders",), first="2026-11-21", last="2026-11-22"))
    place.instance.report_run_canceled(place.instance.get_runs()[-1])
    launch(launcher, LaunchRequest(tables=("orders",), first="2026-11-15", last="2026-11-15"))


@pytest.fixture
def changed(place: "Loaded") -> Iterator[Callable[[str], None]]:
    before = place.config.read_text(encoding="utf-8")
    yield lambda text: (place.config.write_text(text, encoding="utf-8"), None)[1]
    place.config.write_text(before, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CONFIG.replace("  users: {}", "  users: {}\n  new: {}"), "the code server has not loaded it"),
        (CONFIG.replace("  users: {}", "  users: {schedule: none}"), "the code server has not loaded it"),
        (CONFIG.replace("start: 2026-11-01", "start: 2026-10-01"), "the code server has not loaded it"),
        ("tables: [", "this is not YAML"),
    ],
)
def test_a_configuration_that_is_not_loaded_yet_is_not_launched(
    place: "Loaded", launcher: Launcher, changed: Callable[[str], None], text: str, words: str
):
    changed(text)
    with pytest.raises(NotReadyError, match=f"(?s){words}"):
        launch(launcher, LaunchRequest())
    assert statuses(place) == {}


def test_a_postgresql_that_is_away_is_named_and_nothing_waits_for_long(place: "Loaded"):
    away = place.settings.model_copy(
        update={"dagster_pg_url": type(place.settings.dagster_pg_url)("postgresql://a:b@127.0.0.1:1/x")}  # type: ignore[misc]
    )
    begun = datetime.now(UTC)
    with pytest.raises(NotReadyError, match="Dagster's PostgreSQL does not answer"):
        launch(Launcher(away, place.context, place.project), DAY, "k")
    assert datetime.now(UTC) - begun < timedelta(seconds=15)

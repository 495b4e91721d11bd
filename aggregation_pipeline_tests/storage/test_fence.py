"""Requests that land long after their run lost its lock, when another run has published the same window.

Each test holds one request, takes the lock away, lets another run publish, lets the request go, and then looks: what
the manifest in force names is whole, no name holds a mixture, nothing that is in force is deleted, and the next
publication puts all names right.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from aggregation_pipeline.errors import LockError
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.storage.fencing import Scene, Work, scene
from aggregation_pipeline_tests.storage.samples import WINDOW
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.waiting import until

EARLIER, FIRST, SECOND = "run-earlier", "run-first", "run-second"
# What the first run sends on its way, in order.
PLACES = {
    "the mark": ("PUT", f"{WINDOW}/{FIRST}/publication.json"),
    "a file": ("PUT", f"{WINDOW}/{FIRST}/orders.summary.csv"),
    "an extract": ("PUT", f"_extracts/orders/{WINDOW}/{FIRST}/detail.parquet"),
    "the manifest of the run": ("PUT", f"{WINDOW}/{FIRST}/manifest.json"),
    "the window manifest": ("PUT", f"orders/{WINDOW}/manifest.json"),
    "a name": ("PUT", f"orders/{WINDOW}/orders.json"),
    "a name in latest": ("PUT", "orders/latest/orders.json"),
    "latest.json": ("PUT", "orders/latest.json"),
}


# Each takes a second or two: `make test` has the three that matter most, and no symlinks.
_FAST = {"a file", "the window manifest", "a name"}


@pytest.fixture(params=["folder", "oss", pytest.param("oss-symlink", marks=pytest.mark.slow)])
def stage(request: pytest.FixtureRequest, postgres: PostgresServer, tmp_path: Path) -> Iterator[Scene]:
    server = None if request.param == "folder" else request.getfixturevalue("oss_server")
    with scene(request.param, server, postgres.url, tmp_path) as made:
        yield made


def assert_right_after_the_next_publication(stage: Scene, value: int) -> None:
    """Whatever came late, the next publication is in force with all its names, and stays so after retention."""
    last = stage.publish("run-last", value)
    assert stage.in_force() == last
    stage.assert_names_are_of(last)
    stage.apply_retention()
    assert stage.in_force() == last
    stage.assert_names_are_of(last)


@pytest.mark.parametrize(
    ("place", "republished"),
    # latest.json stays as it is when a window is published again.
    [
        pytest.param(place, True, marks=() if place in _FAST else pytest.mark.slow)
        for place in PLACES
        if place != "latest.json"
    ]
    + [
        pytest.param(place, False, marks=pytest.mark.slow) for place in ("a file", "the window manifest", "latest.json")
    ],
)
def test_a_request_that_lands_late_spoils_nothing(stage: Scene, place: str, republished: bool):
    if republished:
        stage.publish(EARLIER, 1)
    method, part = PLACES[place]
    held = stage.fences.hold(method, part)
    with stage.readers():
        first = Work(lambda: stage.publish(FIRST, 2, fenced=True))
        held.wait_until_there()
        stage.take_lock_away()
        second = stage.publish(SECOND, 3)
        assert stage.in_force() == second
        held.let_go()
        first.end()
        assert isinstance(first.error, LockError)
        assert stage.in_force() == second
        assert_right_after_the_next_publication(stage, 3)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["oss-parts"], indirect=True)
@pytest.mark.parametrize(
    ("method", "part"),
    [
        ("PUT", f"{WINDOW}/{FIRST}/orders.summary.csv?uploadId"),
        ("POST", f"{WINDOW}/{FIRST}/orders.summary.csv?uploadId"),
        ("PUT", f"orders/{WINDOW}/orders.json?uploadId"),
        ("POST", f"orders/{WINDOW}/orders.json?uploadId"),
    ],
)
def test_a_part_or_the_end_of_an_upload_that_lands_late_spoils_nothing(
    stage: Scene, oss_server: OssServer, method: str, part: str
):
    stage.publish(EARLIER, 1)
    held = stage.fences.hold(method, part)
    with stage.readers():
        first = Work(lambda: stage.publish(FIRST, 2, fenced=True))
        held.wait_until_there()
        stage.take_lock_away()
        second = stage.publish(SECOND, 3)
        held.let_go()
        assert isinstance(first.end().error, LockError)
        assert stage.in_force() == second
        assert_right_after_the_next_publication(stage, 3)
    assert oss_server.bucket.uploads == {}


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["oss"], indirect=True)
def test_a_window_manifest_that_lands_late_leaves_an_older_version_whole_until_the_next_publication(
    stage: Scene,
):
    stage.publish(EARLIER, 1)
    held = stage.fences.hold("PUT", PLACES["the window manifest"][1])
    assert isinstance(stage.fenced, OssStore)
    impatient = OssStore(replace(stage.fenced.options, read_timeout=1, attempts=1))
    with stage.readers():
        first = Work(lambda: stage.publish(FIRST, 2, store=impatient))
        held.wait_until_there()
        stage.take_lock_away()
        second = stage.publish(SECOND, 3)
        assert isinstance(first.end().error, LockError)
        assert stage.in_force() == second
        held.let_go()
        until("the late window manifest", lambda: stage.in_force().publication == FIRST, 10)
        assert_right_after_the_next_publication(stage, 3)


@pytest.mark.slow
def test_a_second_attempt_of_the_same_run_is_not_spoiled_by_the_first(stage: Scene):
    stage.publish(EARLIER, 1)
    for place in ("the mark", "a file", "the window manifest"):
        method, part = PLACES[place]
        run = f"{FIRST}-{place.replace(' ', '-')}"
        held = stage.fences.hold(method, part.replace(FIRST, run))
        with stage.readers():
            first = Work(partial(stage.publish, run, 2, fenced=True))
            held.wait_until_there()
            stage.take_lock_away()
            second = stage.publish(run, 3)
            held.let_go()
            assert isinstance(first.end().error, LockError)
            assert stage.in_force() == second
            stage.publish(EARLIER, 1)
    assert_right_after_the_next_publication(stage, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", [f"{EARLIER}/orders.json", f"_extracts/orders/{WINDOW}/{EARLIER}/summary", f"{EARLIER}/manifest.json"]
)
def test_a_late_delete_of_retention_takes_nothing_that_is_in_force(stage: Scene, part: str):
    stage.publish(EARLIER, 1)
    stage.publish(FIRST, 2)
    held = stage.fences.hold("DELETE", part)
    with stage.readers():
        retention = Work(lambda: stage.apply_retention(fenced=True))
        held.wait_until_there()
        stage.take_lock_away()
        # The data of the version that is being deleted.
        second = stage.publish(SECOND, 1)
        held.let_go()
        retention.end()
        assert stage.in_force() == second
        assert_right_after_the_next_publication(stage, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", [f"orders/{WINDOW}/manifest.json", f"orders/{WINDOW}/orders.json", f"{FIRST}/orders.json"]
)
def test_a_window_that_expires_and_is_published_again_meanwhile_is_whole_in_the_end(stage: Scene, part: str):
    stage.publish(EARLIER, 1)
    stage.publish(FIRST, 2)
    newer = stage.publish("run-newer", 5, window="2027-11-20")
    held = stage.fences.hold("DELETE", part)
    with stage.readers():
        retention = Work(lambda: stage.apply_retention(fenced=True, keep=timedelta(days=1)))
        held.wait_until_there()
        stage.take_lock_away()
        second = stage.publish(SECOND, 2)
        held.let_go()
        retention.end()
        assert stage.in_force() == second
        assert stage.in_force("2027-11-20") == newer
        assert stage.publish(SECOND, 3) == stage.in_force()

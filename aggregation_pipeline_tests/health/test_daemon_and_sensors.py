"""What stored heartbeats, states and cursors say."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from dagster import DagsterInstance
from dagster._daemon.types import DaemonHeartbeat

from aggregation_pipeline.batch_jobs.mirror_cursor import MIRROR_SENSOR, MirrorCursor
from aggregation_pipeline.health.daemon import daemon_problem, silence
from aggregation_pipeline.health.sensors import lag
from aggregation_pipeline_tests.support.runs import open_instance

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

NOW = datetime(2026, 11, 27, 2, tzinfo=UTC)
REQUIRED = ("SENSOR", "SCHEDULER")


@pytest.mark.parametrize(
    ("ages", "told"),
    [
        ({}, "dagster-daemon has never run"),
        ({"SENSOR": 3, "SCHEDULER": 29}, None),
        ({"SENSOR": -5, "SCHEDULER": -5}, None),
        ({"SENSOR": 119, "SCHEDULER": 600}, None),
        ({"SENSOR": 121, "SCHEDULER": 600}, "dagster-daemon has been silent for 121 s"),
        ({"SENSOR": 3, "SCHEDULER": 1831}, "threads of dagster-daemon are silent: SCHEDULER"),
        ({"SENSOR": 3, "BACKFILL": 3}, "threads of dagster-daemon are silent: SCHEDULER"),
        ({"BACKFILL": 3}, "dagster-daemon has never run"),
    ],
)
def test_the_daemon_is_judged_by_its_newest_heartbeat_and_a_thread_by_dagsters_own_limit(
    ages: dict[str, float], told: str | None
):
    now = NOW.timestamp()
    assert silence({name: now - age for name, age in ages.items()}, REQUIRED, now) == told


def test_heartbeats_are_read_from_dagsters_storage(postgres: "PostgresServer"):
    with open_instance(postgres.fresh_database()) as instance:
        assert daemon_problem(instance) == "dagster-daemon has never run"
        beat(instance)
        assert daemon_problem(instance) is None


def beat(instance: DagsterInstance) -> None:
    for name in instance.get_required_daemon_types():
        instance.add_daemon_heartbeat(DaemonHeartbeat(datetime.now(UTC).timestamp(), name, None))


def cursor(**changes: object) -> str:
    return MirrorCursor(**{"watermark": NOW, "at": NOW - timedelta(seconds=10), **changes}).to_json()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        (None, f"{MIRROR_SENSOR} has not looked yet"),
        (cursor(at=None), f"{MIRROR_SENSOR} has not looked yet"),
        ("{}", f"another release has written the cursor of {MIRROR_SENSOR}"),
        (cursor(), None),
        (cursor(behind=3, lag_seconds=299.0), None),
        (cursor(behind=3, lag_seconds=301.0), "3 runs are not in batch_jobs, the first for 301 s"),
        (cursor(retry=("a", "b")), "2 runs could not be recorded in batch_jobs"),
        (cursor(at=NOW - timedelta(minutes=6)), f"{MIRROR_SENSOR} has not looked since 2026-11-27T01:54:00+00:00"),
    ],
)
def test_batch_jobs_is_up_to_date_by_the_cursor_of_its_sensor(stored: str | None, told: str | None):
    assert lag(stored, NOW) == told

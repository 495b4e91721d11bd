"""Whether Dagster's daemon lives, by the heartbeats that it stores."""

import time
from collections.abc import Iterable, Mapping
from typing import Final

from dagster import DagsterInstance

from aggregation_pipeline.health.dagster_storage import outage_of_storage

# Each of its threads stores a heartbeat every 30 seconds. No heartbeat from any of them: the process is gone.
_GONE_SECONDS: Final = 120.0
# One thread may be busy for long while the others go on. Dagster's own limit for one.
_STUCK_SECONDS: Final = 1830.0


def daemon_problem(instance: DagsterInstance) -> str | None:
    """Return why schedules, sensors or the queue of runs do not move, None if they do."""
    with outage_of_storage():
        beats = {name: beat.timestamp for name, beat in instance.get_daemon_heartbeats().items()}
    return silence(beats, instance.get_required_daemon_types(), time.time())


def silence(beats: Mapping[str, float], required: Iterable[str], now: float) -> str | None:
    """Return which threads of the daemon are silent, None if none is.

    Args:
        beats: when each thread stored its last heartbeat, in seconds since 1970.
        required: the threads that there should be.
    """
    ages = {name: now - beats[name] for name in required if name in beats}
    if not ages:
        return "dagster-daemon has never run"
    if min(ages.values()) > _GONE_SECONDS:
        return f"dagster-daemon has been silent for {min(ages.values()):.0f} s"
    stuck = sorted(name for name in required if ages.get(name, _STUCK_SECONDS + 1) > _STUCK_SECONDS)
    return f"threads of dagster-daemon are silent: {', '.join(stuck)}" if stuck else None

"""One look at everything that people may have to be told of. What it finds goes into the outbox."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import sqlalchemy as sa
from dagster import DagsterError, DagsterInstance

from aggregation_pipeline.alerts import outbox
from aggregation_pipeline.alerts.detect_broken_entries import detect_broken_entries
from aggregation_pipeline.alerts.detect_failed_checks import detect_failed_checks
from aggregation_pipeline.alerts.detect_failed_runs import FailedRuns, detect_failed_runs, published_again_at
from aggregation_pipeline.alerts.detect_failing_sensors import detect_failing_sensors
from aggregation_pipeline.alerts.detect_late_tables import detect_late_tables
from aggregation_pipeline.alerts.incidents import Kind, OpenIncident
from aggregation_pipeline.alerts.monitored import Detected, DetectedConditions, MonitoredDefinitions, RecoveredAt

# How far back the very first look goes: whoever sets up alerts does not want to hear of last month.
_FIRST_LOOK: Final = timedelta(hours=1)
# What Dagster's storage and its records may raise. The outbox raises AlertError, which ends the look.
_STORAGE_ERRORS: Final = (DagsterError, sa.exc.SQLAlchemyError, ValueError, TypeError, LookupError, AttributeError)

D = TypeVar("D", bound=Detected)


def first_watermark(now: datetime) -> datetime:
    """Return the watermark of the very first look."""
    return now - _FIRST_LOOK


@dataclass
class Detection:
    """What one look found.

    Attributes:
        watermark: the next look begins there.
        waiting: ids of failed runs that may still be retried.
        new: how many incidents were added to the outbox.
        recovered: how many subjects recovered.
        problems: detectors that failed, with the error. The next look runs them again.
    """

    watermark: datetime
    waiting: Sequence[str] = ()
    new: int = 0
    recovered: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass
class Detector:
    """Detects incidents of one deployment. `foreign` remembers failed runs that are no incident."""

    deployment: str
    on_warn: bool = False
    secrets: Sequence[str] = ()
    foreign: set[str] = field(default_factory=set)

    def detect(
        self,
        instance: DagsterInstance,
        connection: sa.Connection,
        monitored: MonitoredDefinitions,
        *,
        watermark: datetime,
        waiting: Sequence[str],
        budget: float = 6.0,
    ) -> Detection:
        """Add new incidents to the outbox, and close those that are over.

        `watermark` and `waiting` come from the look before. When this returns, everything is committed, and the new
        ones may be stored. Raises AlertError when the outbox does not answer.
        """
        until, now, secrets = time.monotonic() + budget, datetime.now(UTC), self.secrets
        result = Detection(watermark, waiting)
        conditions: dict[Kind, Callable[[], DetectedConditions]] = {
            "entry_broken": lambda: detect_broken_entries(monitored, secrets, now),
            "check_failed": lambda: detect_failed_checks(
                instance, monitored, since=watermark, on_warn=self.on_warn, secrets=secrets
            ),
            "table_late": lambda: detect_late_tables(instance, monitored, secrets, now),
            "sensor_failing": lambda: detect_failing_sensors(instance, monitored, secrets),
        }
        recovered_at: dict[Kind, RecoveredAt] = {"run_failed": lambda incident: published_again_at(instance, incident)}
        for kind, detect in conditions.items():
            if (found := self._detect_one(connection, kind, detect, result)) is not None:
                recovered_at[kind] = found.recovered_at
        runs = self._detect_one(
            connection,
            "run_failed",
            lambda: self._failed_runs(instance, connection, monitored, watermark, waiting, until),
            result,
        )
        # Checks and runs share the watermark: it moves when all incidents before it are in the outbox.
        if runs is not None and "check_failed" in recovered_at:
            result.watermark, result.waiting = runs.watermark, runs.waiting
        result.recovered = self._close_recovered(connection, recovered_at, until)
        return result

    def _detect_one(
        self, connection: sa.Connection, kind: Kind, detect: Callable[[], D], result: Detection
    ) -> D | None:
        """Run one detector. If it fails, the others run all the same, and the next look runs it again."""
        try:
            found = detect()
        except _STORAGE_ERRORS as error:
            result.problems.append(f"{kind}: {type(error).__name__}")
            return None
        result.new += outbox.add_incidents(connection, self.deployment, found.incidents)
        return found

    def _failed_runs(
        self,
        instance: DagsterInstance,
        connection: sa.Connection,
        monitored: MonitoredDefinitions,
        watermark: datetime,
        waiting: Sequence[str],
        until: float,
    ) -> FailedRuns:
        return detect_failed_runs(
            instance,
            watermark=watermark,
            waiting=waiting,
            known=lambda run_ids: outbox.runs_with_incidents(connection, self.deployment, run_ids),
            foreign=self.foreign,
            tables=monitored.tables,
            secrets=self.secrets,
            out_of_time=lambda: time.monotonic() > until,
        )

    def _close_recovered(self, connection: sa.Connection, recovered_at: dict[Kind, RecoveredAt], until: float) -> int:
        over = [
            (incident, at)
            for incident in outbox.open_incidents(connection, self.deployment)
            if (at := _recovered_at(incident, recovered_at, until)) is not None
        ]
        return outbox.close_incidents(connection, self.deployment, over)


def _recovered_at(incident: OpenIncident, recovered_at: dict[Kind, RecoveredAt], until: float) -> datetime | None:
    ask = recovered_at.get(incident.kind)
    if ask is None or time.monotonic() > until:
        return None
    try:
        return ask(incident)
    except _STORAGE_ERRORS:
        return None

"""One look at everything that people may have to be told of, into the outbox."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from dagster import DagsterError, DagsterInstance

from aggregation_pipeline.alerts import outbox
from aggregation_pipeline.alerts.detect_conditions import (
    MonitoredDefinitions,
    broken_entries,
    failed_checks,
    failing_sensors,
    late_tables,
)
from aggregation_pipeline.alerts.detect_failed_runs import FailedRuns, failed_runs, run_again
from aggregation_pipeline.alerts.incidents import Incident, Kind, OpenIncident

Healthy = Callable[[OpenIncident], datetime | None]


@dataclass
class Detection:
    """What a survey found. `problems` are questions that Dagster's storage did not answer; they are asked again."""

    watermark: datetime
    waiting: Sequence[str] = ()
    new: int = 0
    recovered: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass
class Detector:
    """Looks for one deployment. `foreign` remembers runs of which there is nothing to say."""

    deployment: str
    warn: bool = False
    secrets: Sequence[str] = ()
    foreign: set[str] = field(default_factory=set)

    def detect(
        self,
        instance: DagsterInstance,
        connection: sa.Connection,
        estate: MonitoredDefinitions,
        *,
        watermark: datetime,
        waiting: Sequence[str],
        budget: float = 6.0,
    ) -> Detection:
        """Write down what is not written down yet, and close what is over.

        `watermark` and `waiting` come from the survey before; they may be stored once this returns, everything is
        committed by then. Raises AlertError when the outbox does not answer.
        """
        until, now = time.monotonic() + budget, datetime.now(UTC)
        seen = Detection(watermark, waiting)
        failed: FailedRuns | None = None
        healthy: dict[Kind, Healthy] = {"run_failed": lambda cause: run_again(instance, cause)}

        def runs() -> list[Incident]:
            nonlocal failed
            failed = failed_runs(
                instance,
                watermark=watermark,
                waiting=waiting,
                known=lambda ids: outbox.runs_with_incidents(connection, self.deployment, ids),
                foreign=self.foreign,
                tables=estate.tables,
                secrets=self.secrets,
                out_of_time=lambda: time.monotonic() > until,
            )
            return failed.causes

        def checks() -> list[Incident]:
            causes, healthy["check_failed"] = failed_checks(
                instance, estate, since=watermark, warn=self.warn, secrets=self.secrets
            )
            return causes

        def late() -> list[Incident]:
            causes, healthy["table_late"] = late_tables(instance, estate, self.secrets, now)
            return causes

        def sensors() -> list[Incident]:
            causes, healthy["sensor_failing"] = failing_sensors(instance, estate, self.secrets)
            return causes

        def entries() -> list[Incident]:
            causes, healthy["entry_broken"] = broken_entries(estate, self.secrets, now)
            return causes

        for question in (entries, checks, late, sensors, runs):
            # One that fails must not keep the others from being asked: its answer comes with the next survey.
            try:
                causes = question()
            except _FAULTS as error:
                seen.problems.append(f"{question.__name__}: {type(error).__name__}")
            else:
                seen.new += outbox.add_incidents(connection, self.deployment, causes)
        # Only now is everything before the watermark written down; checks and runs share it.
        if failed is not None and not any(problem.startswith(("checks", "runs")) for problem in seen.problems):
            seen.watermark, seen.waiting = failed.watermark, failed.waiting
        over = [
            (cause, at)
            for cause in outbox.open_incidents(connection, self.deployment)
            if (at := self._end(cause, healthy, until)) is not None
        ]
        seen.recovered = outbox.close_incidents(connection, self.deployment, over)
        return seen

    def _end(self, cause: OpenIncident, healthy: dict[Kind, Healthy], until: float) -> datetime | None:
        judge = healthy.get(cause.kind)
        if judge is None or time.monotonic() > until:
            return None
        try:
            return judge(cause)
        except _FAULTS:
            return None


# What Dagster's storage and its records may raise. The outbox's own errors are AlertErrors, and end the survey.
_FAULTS: Final = (DagsterError, sa.exc.SQLAlchemyError, ValueError, TypeError, LookupError, AttributeError)

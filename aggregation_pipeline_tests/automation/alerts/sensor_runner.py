"""The sensor `alerts` of a deployment, ticked by hand, and runs that fail for it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from dagster import DagsterInstance, Definitions, SensorEvaluationContext

from aggregation_pipeline.alerts.incidents import MonitoredTable
from aggregation_pipeline.automation.alert_sensor import build_alert_sensors
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.support.runs import ORIGIN, FakeTable, run
from aggregation_pipeline_tests.support.sink import Sink

TABLES = {"users": MonitoredTable("用户 users", ("team:shop",)), "orders": MonitoredTable("orders", ())}
DOWN = "postgresql://ada:secret@127.0.0.1:1/shop"


class SensorRunner:
    """The sensor of one deployment, and a clock that a test moves."""

    def __init__(
        self, instance: DagsterInstance, url: str, sink: Sink, definitions: Definitions | None = None, **variables: Any
    ) -> None:
        tables = variables.pop("tables", TABLES)
        self.instance, self.url, self.sink = instance, url, sink
        self.cursor: str | None = None
        settings = Settings(batch_jobs_url=url, alert_urls=sink.webhook, alert_window_seconds=5, **variables)
        (self.sensor,) = build_alert_sensors(settings, tables)
        self.repository = (definitions or Definitions()).get_repository_def()

    def tick(self) -> str:
        here: Any = {"repository_name": ORIGIN.repository_name, "code_location_origin": ORIGIN.code_location_origin}
        with SensorEvaluationContext(
            None,
            cursor=self.cursor,
            instance=self.instance,
            sensor_name="alerts",
            repository_def=self.repository,
            **here,
        ) as context:
            result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        return str(result.skip_message)

    def later(self) -> None:
        """Let an hour pass: windows close and pauses end."""
        with sa.create_engine(self.url).begin() as connection:
            connection.execute(
                sa.text("UPDATE aggregation_alerts.incidents SET found_at = found_at - interval '1 hour'")
            )
            connection.execute(sa.text("UPDATE aggregation_alerts.deliveries SET due_at = now() - interval '1 second'"))

    def titles(self) -> list[str]:
        """Evaluate ticks until nothing more is delivered; returns the titles of the messages."""
        before = len(self.sink.received)
        self.summary = self.tick()
        if "0 new incidents, 0 recovered; 0 messages made, 0 delivered" not in self.summary:
            for _ in range(2):
                self.later()
                self.tick()
        return [request.body["title"] for request in self.sink.received[before:]]


def boom(_context: Any) -> None:
    raise ValueError("no such column\nsecond line")


def fail(instance: DagsterInstance, segments: Sequence[str] = ("users",), **options: Any) -> str:
    return run(instance, [FakeTable(segment, action=boom) for segment in segments], **options)

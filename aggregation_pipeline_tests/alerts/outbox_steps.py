"""Incidents put into an outbox, messages made of them, and the rows that came of it."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from aggregation_pipeline.alerts import outbox
from aggregation_pipeline.alerts.channels import Channel, open_channels
from aggregation_pipeline.alerts.incidents import Incident, IncidentDetails
from aggregation_pipeline.alerts.messages import MessageRenderer
from aggregation_pipeline_tests.support.sink import Sink

NOW = datetime.now(UTC)
RENDERER = MessageRenderer("prod", "en", ZoneInfo("Asia/Shanghai"))


def incident(
    key: str, kind: Any = "run_failed", subject: str | None = None, at: datetime = NOW, **details: Any
) -> Incident:
    return Incident(f"{kind}:{key}", kind, subject or f"table {key}", at, IncidentDetails(name=key, **details))


def make_messages(connection: sa.Connection, channels: Sequence[str], window: float = 0.0) -> int:
    made = outbox.make_messages(
        connection, "prod", RENDERER, channels, window=timedelta(seconds=window), chance=random.Random(1)
    )
    hurry(connection)
    return made


def hurry(connection: sa.Connection) -> None:
    """Let the pauses be over: tests do not sleep."""
    with connection.begin():
        connection.execute(sa.text("UPDATE aggregation_alerts.deliveries SET due_at = now() - interval '1 second'"))


def rows(connection: sa.Connection) -> list[Any]:
    with connection.begin():
        return list(
            connection.execute(sa.text("SELECT * FROM aggregation_alerts.deliveries ORDER BY created_at, channel"))
        )


def channel_of(sink: Sink) -> Channel:
    return open_channels([sink.webhook])[0]

"""Delivery of messages: out of the outbox into the channels, until each channel has accepted its message.

HTTP cannot promise "exactly once". When the process is killed between the channel's answer and our commit, or the
answer is lost, the message is sent again: twice is better than never. No two processes send to one channel at the same
time, and a process that could not record a delivery remembers it for as long as it runs.
"""

import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from aggregation_pipeline.alerts.channels import Channel
from aggregation_pipeline.alerts.messages import Message
from aggregation_pipeline.alerts.outbox_table import WAITING, deliveries, outbox_errors
from aggregation_pipeline.alerts.send_times import retry_pause
from aggregation_pipeline.errors import AlertError
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, try_in_transaction

_MINUTE = timedelta(seconds=60)


@dataclass
class DeliveryAttempt:
    """What one attempt to deliver did. `refused` holds the reason, by the name of the channel."""

    delivered: int = 0
    refused: dict[str, str] = field(default_factory=dict)


@dataclass
class Delivery:
    """Delivers the messages of one deployment.

    Attributes:
        per_minute: how many messages a channel gets in a minute at most.
        sent: (message, channel) that the channel accepted, and that could not be recorded yet.
    """

    deployment: str
    channels: Sequence[Channel]
    per_minute: int = 15
    chance: random.Random = field(default_factory=random.SystemRandom)
    sent: set[tuple[uuid.UUID, str]] = field(default_factory=set)

    def deliver(self, connection: sa.Connection, *, budget: float = 6.0) -> DeliveryAttempt:
        """Send the messages that are due, the oldest first, and begin none after `budget` seconds.

        A channel that refuses a message gets no other one in this attempt. Raises AlertError when the outbox does not
        answer.
        """
        attempt, until = DeliveryAttempt(), time.monotonic() + budget
        for channel in self.channels:
            with outbox_errors():
                while time.monotonic() < until and self._send_next(connection, channel, attempt):
                    pass
        return attempt

    def _send_next(self, connection: sa.Connection, channel: Channel, attempt: DeliveryAttempt) -> bool:
        """Send the next message of a channel; False where there is none, or it was refused.

        One transaction: it holds the channel's lock, so that no other process sends there meanwhile.
        """
        with connection.begin():
            is_free = try_in_transaction(connection, lock_key(AdvisoryLock.ALERT_DELIVERY, channel.name))
            row = connection.execute(self._next_message(channel)).first() if is_free else None
            if row is None:
                return False
            delivery = sa.update(deliveries).where(
                deliveries.c.message == row.message, deliveries.c.channel == channel.name
            )
            tried = {"attempts": row.attempts + 1, "attempted_at": sa.func.clock_timestamp()}
            key = (row.message, channel.name)
            try:
                if key not in self.sent:
                    channel.send(Message(row.title, row.body))
            except AlertError as error:
                attempt.refused[channel.name] = str(error)
                pause = timedelta(seconds=retry_pause(row.attempts + 1, self.chance))
                connection.execute(delivery.values(**tried, error=str(error), due_at=sa.func.clock_timestamp() + pause))
                return False
            self.sent.add(key)
            connection.execute(delivery.values(**tried, error=None, delivered_at=sa.func.clock_timestamp()))
        # The delivery is committed.
        self.sent.discard(key)
        attempt.delivered += 1
        return True

    def _next_message(self, channel: Channel) -> sa.Select[tuple[object, ...]]:
        in_last_minute = (
            sa.select(sa.func.count())
            .where(deliveries.c.channel == channel.name, deliveries.c.attempted_at > sa.func.now() - _MINUTE)
            .scalar_subquery()
        )
        return (
            sa.select(deliveries)
            .where(deliveries.c.deployment == self.deployment, deliveries.c.channel == channel.name)
            .where(*WAITING, deliveries.c.due_at <= sa.func.now())
            .where(in_last_minute < self.per_minute)
            .order_by(deliveries.c.due_at)
            .limit(1)
            .with_for_update()
        )

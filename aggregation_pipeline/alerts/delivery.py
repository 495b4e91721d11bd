"""Messages out of the outbox into the channels, each until the channel says that it has it.

HTTP cannot promise "exactly once": between the channel's yes and our commit lies a moment in which a kill, or a lost
reply, makes us send the message again. We choose twice over never. Two couriers do not send the same message at the
same time, and one that could not write down what it sent remembers it for as long as it lives.
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
from aggregation_pipeline.alerts.outbox_table import deliveries
from aggregation_pipeline.alerts.send_times import retry_pause
from aggregation_pipeline.errors import AlertError
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key, try_in_transaction
from aggregation_pipeline.postgres.engine import safe_reason

_MINUTE = timedelta(seconds=60)


@dataclass
class DeliveryAttempt:
    """What one round of the courier did; `refused` says why, by channel."""

    delivered: int = 0
    refused: dict[str, str] = field(default_factory=dict)


@dataclass
class Delivery:
    """Delivers for one deployment. `sent` are messages that a channel took, but whose row could not be written."""

    deployment: str
    channels: Sequence[Channel]
    per_minute: int = 15
    chance: random.Random = field(default_factory=random.SystemRandom)
    sent: set[tuple[uuid.UUID, str]] = field(default_factory=set)

    def deliver(self, connection: sa.Connection, *, budget: float = 6.0) -> DeliveryAttempt:
        """Send what is due, the oldest first; no sending begins after `budget` seconds. A channel that refuses has rest
        for this round.

        Raises AlertError when the outbox does not answer.
        """
        done, until = DeliveryAttempt(), time.monotonic() + budget
        for channel in self.channels:
            while time.monotonic() < until:
                try:
                    went_on = self._one(connection, channel, done)
                except sa.exc.SQLAlchemyError as error:
                    raise AlertError(
                        f"The outbox of alerts cannot be read or written: {safe_reason(error)}. Check BATCH_JOBS_URL"
                    ) from error
                if not went_on:
                    break
        return done

    def _one(self, connection: sa.Connection, channel: Channel, done: DeliveryAttempt) -> bool:
        """Send the next message of a channel, in one transaction: whoever else wants to send there waits for the next
        round.
        """
        with connection.begin():
            free = try_in_transaction(connection, lock_key(AdvisoryLock.ALERT_DELIVERY, channel.name))
            row = connection.execute(self._next(channel)).first() if free else None
            if row is None:
                return False
            target = sa.update(deliveries).where(
                deliveries.c.message == row.message, deliveries.c.channel == channel.name
            )
            attempt = {"attempts": row.attempts + 1, "attempted_at": sa.func.clock_timestamp()}
            token = (row.message, channel.name)
            try:
                if token not in self.sent:
                    channel.send(Message(row.title, row.body))
            except AlertError as error:
                done.refused[channel.name] = str(error)
                wait = timedelta(seconds=retry_pause(row.attempts + 1, self.chance))
                connection.execute(target.values(**attempt, error=str(error), due_at=sa.func.clock_timestamp() + wait))
                return False
            self.sent.add(token)
            connection.execute(target.values(**attempt, error=None, delivered_at=sa.func.clock_timestamp()))
        # Written for good.
        self.sent.discard(token)
        done.delivered += 1
        return True

    def _next(self, channel: Channel) -> sa.Select[tuple[object, ...]]:
        recent = (
            sa.select(sa.func.count())
            .where(deliveries.c.channel == channel.name, deliveries.c.attempted_at > sa.func.now() - _MINUTE)
            .scalar_subquery()
        )
        return (
            sa.select(deliveries)
            .where(deliveries.c.deployment == self.deployment, deliveries.c.channel == channel.name)
            .where(
                deliveries.c.delivered_at.is_(None),
                deliveries.c.moved_at.is_(None),
                deliveries.c.due_at <= sa.func.now(),
            )
            .where(recent < self.per_minute)
            .order_by(deliveries.c.due_at)
            .limit(1)
            .with_for_update()
        )

"""What the alert sensor does with incidents: make messages of them, and warn people when the outbox itself is away."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.alerts import outbox
from aggregation_pipeline.alerts.channels import Channel
from aggregation_pipeline.alerts.chat_text import one_line
from aggregation_pipeline.alerts.detection import first_watermark
from aggregation_pipeline.alerts.incidents import Incident, IncidentDetails
from aggregation_pipeline.alerts.messages import Message, MessageRenderer
from aggregation_pipeline.alerts.send_times import seconds_until_quiet_ends
from aggregation_pipeline.errors import AlertError

# An outbox that has been away for so long is an incident of its own.
_OUTBOX_PATIENCE: Final = timedelta(seconds=60)


@dataclass(frozen=True)
class AlertCursor:
    """What the sensor keeps from tick to tick. It is in Dagster's storage, so it survives the loss of the outbox.

    Attributes:
        watermark: runs that changed before it have been looked at.
        waiting: ids of runs that have to be looked at again.
        down_since: the outbox has not answered since then.
        notified: channels that have been sent a message about it.
    """

    watermark: datetime
    waiting: Sequence[str] = ()
    down_since: datetime | None = None
    notified: Sequence[str] = field(default=())

    @classmethod
    def read(cls, cursor: str | None) -> "AlertCursor":
        """Read the cursor of the last tick; the first tick looks back an hour.

        So does one after a clock that was ahead: until that time came, it would see no run that fails.
        """
        now = datetime.now(UTC)
        if not cursor:
            return cls(first_watermark(now))
        stored = json.loads(cursor)
        watermark, down_since = datetime.fromisoformat(stored["watermark"]), stored.get("down_since")
        return cls(
            watermark if watermark <= now else first_watermark(now),
            stored.get("waiting", ()),
            datetime.fromisoformat(down_since) if down_since else None,
            stored.get("notified", ()),
        )

    def write(self) -> str:
        """The text that Dagster stores."""
        stored: dict[str, object] = {"watermark": self.watermark.isoformat(), "waiting": list(self.waiting)}
        if self.down_since:
            stored |= {"down_since": self.down_since.isoformat(), "notified": list(self.notified)}
        return json.dumps(stored)


@dataclass
class Dispatcher:
    """Makes messages of the incidents in the outbox; where the outbox is away, sends one message past it."""

    deployment: str
    channels: Sequence[Channel]
    renderer: MessageRenderer
    window: timedelta
    chance: random.Random = field(default_factory=random.SystemRandom)

    def make_messages(self, connection: sa.Connection) -> int:
        """Make messages of incidents that have waited long enough; returns how many.

        Also moves messages for channels that are gone to the channels that are there, and deletes old ones.
        """
        names = [channel.name for channel in self.channels]
        outbox.reassign_channels(connection, self.deployment, names)
        outbox.prune(connection, self.deployment)
        return outbox.make_messages(
            connection, self.deployment, self.renderer, names, window=self.window, chance=self.chance
        )

    def report_recovery(self, connection: sa.Connection, cursor: AlertCursor) -> None:
        """Write down that the outbox is back, if people have been told that it was away."""
        if cursor.down_since is None or not cursor.notified:
            return
        details = IncidentDetails(name="batch_jobs", was="sensor_failing")
        key = f"recovered:outbox:{cursor.down_since.isoformat()}"
        recovery = Incident(key, "recovered", None, datetime.now(UTC), details)
        outbox.add_incidents(connection, self.deployment, [recovery])

    def send_without_outbox(self, cursor: AlertCursor, error: str) -> AlertCursor:
        """Send each channel one message, past the outbox: that outbox and mirror are away. Returns the next cursor.

        A channel that does not take the message gets it at a later tick.
        """
        now = datetime.now(UTC)
        since, notified = cursor.down_since or now, list(cursor.notified)
        # From either side: the clock may have been ahead when the outbox went away.
        if abs(now - since) >= _OUTBOX_PATIENCE and not seconds_until_quiet_ends(now):
            message = self._outage_message(since, error)
            for channel in self.channels:
                if channel.name not in notified:
                    try:
                        channel.send(message)
                    except AlertError:
                        continue
                    notified.append(channel.name)
        return AlertCursor(cursor.watermark, cursor.waiting, since, notified)

    def _outage_message(self, since: datetime, error: str) -> Message:
        details = IncidentDetails(name="batch_jobs", error=one_line(error))
        incident = Incident("", "sensor_failing", None, since, details)
        return self.renderer.message("sensor_failing", [incident], f"{int(since.timestamp()):x}"[-8:])

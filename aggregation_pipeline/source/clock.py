"""In which clock a session computes, and what TIMESTAMP values look like in it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from zoneinfo import ZoneInfo

from aggregation_pipeline.timezones.wall_clock import format_offset, utc_offset

# What every server takes; newer ones go to -13:59 and +14:00.
_LOWEST: Final = -(12 * 3600 + 59 * 60)
_HIGHEST: Final = 13 * 3600


@dataclass(frozen=True)
class Clock:
    """The clock of a session.

    A TIMESTAMP is an instant, and MySQL shows it, compares it and computes with it in the session's time zone. With an
    offset every instant has a text of its own, so values come out exactly, whatever the zone does in summer. With a
    zone by its name `DATE(paid_at)` is the right day all year round, but in the hour that comes twice two instants have
    one text; so they are asked for as numbers.

    Attributes:
        zone: in which files show instants.
        offset_seconds: from UTC, where the session has an offset; None where it has the zone by its name.
        note: what a consumer of the files should know; empty where there is nothing.
    """

    zone: ZoneInfo
    offset_seconds: int | None
    note: str = ""

    @classmethod
    def at(cls, zone: ZoneInfo, moment: datetime) -> Self:
        """The clock of a session that stands for a moment; UTC where servers take no offset like the zone's
        (Kiritimati's +14:00).
        """
        offset = utc_offset(zone, moment)
        return cls(zone, offset if _LOWEST <= offset <= _HIGHEST else 0)

    @property
    def is_named(self) -> bool:
        """Whether the session has the zone by its name."""
        return self.offset_seconds is None

    @property
    def time_zone(self) -> str:
        """The value of the session's variable time_zone."""
        return self.zone.key if self.offset_seconds is None else format_offset(self.offset_seconds)

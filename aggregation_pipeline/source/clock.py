"""The clock that a session computes in, and what instants look like in it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from zoneinfo import ZoneInfo

from aggregation_pipeline.timezones.wall_clock import format_offset, utc_offset

# The offsets that every server accepts, in seconds; newer ones accept -13:59 to +14:00.
_LOWEST: Final = -(12 * 3600 + 59 * 60)
_HIGHEST: Final = 13 * 3600


@dataclass(frozen=True)
class Clock:
    """The clock of a session.

    A TIMESTAMP is an instant. The server shows it, compares it and computes with it in the session's time zone. At an
    offset every instant has a text of its own, so values arrive exactly, whatever the zone's clock does in summer. In a
    named zone `DATE(paid_at)` is the right day all year round. But in the hour that comes twice two instants have the
    same text, so instants are asked for as numbers.

    Attributes:
        zone: the zone whose clock shows instants in the files.
        offset_seconds: from UTC, if the session has an offset; None if it has the zone by name.
        note: what a consumer of the files should know; empty if there is nothing.
    """

    zone: ZoneInfo
    offset_seconds: int | None
    note: str = ""

    @classmethod
    def at(cls, zone: ZoneInfo, moment: datetime) -> Self:
        """Return the clock for a session at a logical time.

        It is UTC if servers do not accept the zone's offset, such as Kiritimati's +14:00.
        """
        offset = utc_offset(zone, moment)
        return cls(zone, offset if _LOWEST <= offset <= _HIGHEST else 0)

    @property
    def is_named(self) -> bool:
        """Whether the session has the zone by name."""
        return self.offset_seconds is None

    @property
    def time_zone(self) -> str:
        """The value of the session's variable time_zone."""
        return self.zone.key if self.offset_seconds is None else format_offset(self.offset_seconds)

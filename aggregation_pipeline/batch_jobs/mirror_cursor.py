"""The cursor of the sensor that reconciles batch_jobs. The alerts read it too, and so may other processes."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

# The name of the sensor: its cursor and its alerts are stored under it.
MIRROR_SENSOR: Final = "internal_batch_jobs_reconcile"


@dataclass(frozen=True)
class MirrorCursor:
    """How far the mirror is.

    Attributes:
        watermark: ended runs are mirrored up to this moment.
        retry: ids of runs that could not be mirrored, and are tried again at every tick.
        behind: how many runs have no row, or an old one.
        lag_seconds: for how long the first of these has been waiting.
        at: when the tick ended; None before the first one.
    """

    watermark: datetime
    retry: tuple[str, ...] = ()
    behind: int = 0
    lag_seconds: float = 0.0
    at: datetime | None = None

    def to_json(self) -> str:
        """Return the cursor as the sensor stores it."""
        return json.dumps(
            {
                "watermark": self.watermark.isoformat(),
                "retry": list(self.retry),
                "behind": self.behind,
                "lag_seconds": round(self.lag_seconds, 1),
                "at": self.at and self.at.isoformat(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "MirrorCursor":
        """Read a stored cursor. Raises ValueError, TypeError or LookupError for any other text."""
        stored = json.loads(text)
        return cls(
            datetime.fromisoformat(stored["watermark"]),
            tuple(stored.get("retry", ())),
            stored.get("behind", 0),
            stored.get("lag_seconds", 0.0),
            datetime.fromisoformat(stored["at"]) if stored.get("at") else None,
        )

"""What windows are called: a date, a minute of it, or the hour of a partition. No other name is a window's."""

import re
from datetime import date
from typing import Final

# 2026-11-20, 2026-11-20T1400, 2026-11-20-14:00. Dagster marks the hour that a clock repeats: 2026-10-25-02:00+0100.
_WINDOW: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T([01][0-9]|2[0-3])[0-5][0-9]|-([01][0-9]|2[0-3]):[0-5][0-9](?:[+-][0-9]{4})?)?"
)


def window_day(name: str) -> date | None:
    """Return the day that a window is named by; None for a name that no window has."""
    match = _WINDOW.fullmatch(name)
    if match is None:
        return None
    try:
        return date.fromisoformat(match[1])
    except ValueError:
        return None


def is_window(name: str) -> bool:
    """Whether `name` is a window's."""
    return window_day(name) is not None

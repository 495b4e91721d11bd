"""What windows are called: a date, a minute of it, or the hour of a partition. Nothing else is a window, whoever may
have put it there.
"""

import re
from datetime import date, datetime
from typing import Final

# 2026-11-20, 2026-11-20T1400, 2026-11-20-14:00; Dagster marks the hour that a clock repeats: 2026-10-25-02:00+0100.
_WINDOW: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{4})|-([0-9]{2}:[0-9]{2})(?:[+-][0-9]{4})?)?")


def window_day(name: str) -> date | None:
    """The day that a window is named by; None for a name that no window has."""
    match = _WINDOW.fullmatch(name)
    if match is None:
        return None
    clock = (match[2] or match[3] or "0000").replace(":", "")
    try:
        return datetime.strptime(f"{match[1]} {clock}", "%Y-%m-%d %H%M").date()  # noqa: DTZ007  only the day is asked for
    except ValueError:
        return None


def is_window(name: str) -> bool:
    """Whether `name` is that of a window."""
    return window_day(name) is not None

"""When to send: spread over some seconds, not around the full and the half hour, and less often after each refusal."""

import random
from datetime import datetime, timedelta
from typing import Final

_JITTER_SECONDS: Final = 5.0
# Feishu asks robots to keep away from the full and the half hour, when many of them send, and refuses some then.
_HALF_HOUR: Final = 1800
_QUIET_BEFORE: Final = 10.0
_QUIET_AFTER: Final = 45.0

_FIRST_PAUSE: Final = 15.0
_LONGEST_PAUSE: Final = 900.0


def plan_send_time(now: datetime, chance: random.Random) -> datetime:
    """Return when to send a message that is ready `now`: some seconds later, and after the quiet time."""
    planned = now + timedelta(seconds=chance.uniform(0, _JITTER_SECONDS))
    wait = seconds_until_quiet_ends(planned)
    return planned + timedelta(seconds=wait + chance.uniform(0, 3 * _JITTER_SECONDS)) if wait else planned


def seconds_until_quiet_ends(moment: datetime) -> float:
    """Return the seconds until the quiet time around a full or half hour is over; 0 outside of it."""
    past = moment.timestamp() % _HALF_HOUR
    if past >= _HALF_HOUR - _QUIET_BEFORE:
        return _HALF_HOUR - past + _QUIET_AFTER
    return max(0.0, _QUIET_AFTER - past)


def retry_pause(attempts: int, chance: random.Random) -> float:
    """Return the seconds to wait after so many failed attempts: 15, 30, 60 up to 900, each a fifth more or less.

    There is no last attempt.
    """
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempts - 1, 10)) * chance.uniform(0.8, 1.2)

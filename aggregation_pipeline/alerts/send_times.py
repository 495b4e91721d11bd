"""When to send: not all at the same second, not on the hour, and less and less often where nobody answers."""

import random
from datetime import datetime, timedelta
from typing import Final

_JITTER_SECONDS: Final = 5.0
# Feishu asks robots to keep away from the full and the half hour, when everybody's do their rounds, and refuses some of
# them then.
_ROUND: Final = 1800
_QUIET_BEFORE: Final = 10.0
_QUIET_AFTER: Final = 45.0

_FIRST_PAUSE: Final = 15.0
_LONGEST_PAUSE: Final = 900.0


def plan_send_time(now: datetime, chance: random.Random) -> datetime:
    """The moment for a message that is ready `now`: a few seconds later, and a minute past where a round hour is
    near.
    """
    planned = now + timedelta(seconds=chance.uniform(0, _JITTER_SECONDS))
    wait = seconds_until_quiet_ends(planned)
    return planned + timedelta(seconds=wait + chance.uniform(0, 3 * _JITTER_SECONDS)) if wait else planned


def seconds_until_quiet_ends(moment: datetime) -> float:
    """Seconds until the quiet around a full or half hour is over; 0 outside of it."""
    past = moment.timestamp() % _ROUND
    if past >= _ROUND - _QUIET_BEFORE:
        return _ROUND - past + _QUIET_AFTER
    return max(0.0, _QUIET_AFTER - past)


def retry_pause(attempts: int, chance: random.Random) -> float:
    """Seconds to wait after so many vain attempts: 15, 30, 60 up to 900, each a fifth more or less. There is no last
    attempt.
    """
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempts - 1, 10)) * chance.uniform(0.8, 1.2)

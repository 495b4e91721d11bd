"""Moments as people write them: a day, or a time of a day."""

import re
from contextlib import suppress
from datetime import datetime
from typing import Final

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
EXPECTED: Final = "a day or a time is expected, such as 2026-11-20 or 2026-11-20T02:00"


def read_moment(text: str) -> datetime:
    """Return the moment; it has a zone only if the text has an offset.

    Raises:
        ValueError: the text is none; the message says what is expected.
    """
    if _MOMENT.fullmatch(text.strip()):
        with suppress(ValueError):
            return datetime.fromisoformat(text.strip())
    raise ValueError(f"{text!r} is no time; {EXPECTED}")

"""What strangers bring about is logged once a minute: with a line for each request they could fill the disk."""

import logging
import threading
import time
from typing import Final

_EVERY_SECONDS: Final = 60.0
_MOST_REMEMBERED: Final = 1000


class OnceAMinute(logging.Filter):
    """Drops a record whose words were logged less than a minute ago. Tracebacks always pass."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._logged_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged."""
        if record.exc_info:
            return True
        words, now = record.getMessage(), time.monotonic()
        with self._lock:
            if now - self._logged_at.get(words, float("-inf")) < _EVERY_SECONDS:
                return False
            if len(self._logged_at) >= _MOST_REMEMBERED:
                self._logged_at.clear()
            self._logged_at[words] = now
        return True

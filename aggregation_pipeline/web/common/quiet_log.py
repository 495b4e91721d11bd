"""What strangers bring about is logged once a minute: with a line for each request they could fill the disk."""

import logging
import threading
import time
from typing import Final

_EVERY_SECONDS: Final = 60.0
_MOST_REMEMBERED: Final = 1000
# uvicorn shows a traceback of its own for a websocket's message that is no UTF-8.
_BAD_TEXT: Final = "Invalid UTF-8 sequence received from client."


class OnceAMinute(logging.Filter):
    """Drops a record whose words were logged less than a minute ago. Tracebacks pass, except one of uvicorn's own."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._logged_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged."""
        words, now = record.getMessage(), time.monotonic()
        if words == _BAD_TEXT:
            record.exc_info = None
        if record.exc_info:
            return True
        with self._lock:
            if now - self._logged_at.get(words, float("-inf")) < _EVERY_SECONDS:
                return False
            if len(self._logged_at) >= _MOST_REMEMBERED:
                self._logged_at.clear()
            self._logged_at[words] = now
        return True

"""What Dagster's services say again and again: that nothing is to be done, at each tick, and that PostgreSQL is away,
with tracebacks.

Dagster logs both itself, each daemon by a logger of its own, and takes no setting for it but the level. So a filter
stands at those loggers: a line of a tick is said once, and of a PostgreSQL that is away one line a minute is left.
"""

import logging
import re
import threading
import time
import traceback
from collections import OrderedDict
from typing import Final

from aggregation_pipeline.settings.log_once import claim_log_line, seconds_since_logged

# A test holds this against the daemons that the installed Dagster has.
DAEMONS: Final = (
    "AssetDaemon", "BackfillDaemon", "EventLogConsumerDaemon", "FreshnessDaemon", "MonitoringDaemon", "QueuedRunCoordinatorDaemon",
    "SchedulerDaemon", "SensorDaemon",
)  # fmt: skip
# The root logger says that a connection is tried again, uvicorn's that a page failed.
_LOGGERS: Final = (
    *("", "dagster", "dagster.code_server", "dagster.daemon", "dagster-webserver", "uvicorn.error"),
    *(f"dagster.daemon.{name}" for name in DAEMONS),
)
# Each process of a deployment notices it, and one of them says it.
AWAY: Final = "PostgreSQL is away"
_WITHOUT_CODE: Final = "The code server does not answer"
MINUTE: Final = 60.0
_SAID_AGAIN_SECONDS: Final = 6 * 3600.0
_REMEMBERED: Final = 2000
# Errors of the connection. Those of statements have names of their own: what a server refuses is no outage.
_AWAY: Final = re.compile(
    r"psycopg2\.(?:OperationalError|InterfaceError|errors\.(?:AdminShutdown|CrashShutdown|CannotConnectNow|TooManyConnections))"
    r"\b['>]*\)?:?\s*(?P<reason>[^\n]*)"
)
# What differs from tick to tick in lines that say the same.
_NUMBERS: Final = re.compile(r"(?<=\bevaluation )(?:ID )?\d+|\(\d+\.\d+ seconds\)")
# What follows from it: code servers that do not start, and sensors that are not answered in time.
_FOLLOWS: Final = re.compile(
    r"DagsterUserCodeUnreachableError|StatusCode\.(?:UNAVAILABLE|DEADLINE_EXCEEDED)|PostgreSQL does not answer"
)
_FOLLOWS_SECONDS: Final = 240.0
# The web process, of a code server that ended before it: a warning with all stacks.
_NO_CODE_SERVER: Final = re.compile(
    r"Error loading repository location \S+:.*\bDagsterUserCodeUnreachableError\b", re.DOTALL
)
# A code server ends so whenever another has loaded the code anew: in a daemon each minute, each in a process of its
# own.
_REPLACED: Final = re.compile(r"^No heartbeat received in \d+ seconds, shutting down$")
_RETRYING: Final = "Retrying failed database connection"


def install_log_filters() -> None:
    """Put the filter before the loggers of Dagster's services in this process; doing it again changes nothing."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if _FILTER not in logger.filters:
            logger.addFilter(_FILTER)


class _RepetitionFilter(logging.Filter):
    """One for all loggers of a process."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._said: OrderedDict[str, float] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let through what is new."""
        text = _whole(record)
        found = _AWAY.search(text)
        if _RETRYING in text:
            _without_doubles()
        if found or _RETRYING in text:
            reason = found["reason"].strip() if found else ""
            return _shortened(record, f"PostgreSQL does not answer{f' ({reason})' if reason else ''}", AWAY)
        if _NO_CODE_SERVER.search(text):
            return _shortened(record, _WITHOUT_CODE, _WITHOUT_CODE)
        if _REPLACED.search(text):
            return claim_log_line(text, every=_SAID_AGAIN_SECONDS)
        if record.levelno >= logging.ERROR and _FOLLOWS.search(text) and seconds_since_logged(AWAY) < _FOLLOWS_SECONDS:
            return False
        return record.levelno > logging.INFO or self._is_new(_NUMBERS.sub("", f"{record.name} {text}"))

    def _is_new(self, text: str) -> bool:
        now = time.monotonic()
        with self._lock:
            fresh = now - self._said.get(text, float("-inf")) > _SAID_AGAIN_SECONDS
            if fresh:
                self._said[text] = now
                self._said.move_to_end(text)
            while len(self._said) > _REMEMBERED:
                self._said.popitem(last=False)
        return fresh


def _shortened(record: logging.LogRecord, what: str, outage: str) -> bool:
    """Let the record say only this, or nothing in the minute after the last of the same outage."""
    if not claim_log_line(outage, every=MINUTE):
        return False
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    record.msg = f"{what}. What needs it waits, and goes on by itself."
    record.args, record.exc_info, record.exc_text = (), None, None
    return True


def _without_doubles() -> None:
    """Dagster says so by `logging.warning`, which gives the root logger a handler: from then on every other line would
    come twice.
    """
    for handler in logging.getLogger().handlers:
        plain = (
            type(handler) is logging.StreamHandler and getattr(handler.formatter, "_fmt", None) == logging.BASIC_FORMAT
        )
        if plain and _has_no_handler_of_its_own not in handler.filters:
            handler.addFilter(_has_no_handler_of_its_own)


def _has_no_handler_of_its_own(record: logging.LogRecord) -> bool:
    return not record.name.startswith("dagster")


def _whole(record: logging.LogRecord) -> str:
    """The message, and what stands in the exception that goes with it."""
    text = record.getMessage()
    if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
        text += "\n" + "".join(traceback.format_exception(record.exc_info[1]))
    return text


_FILTER: Final = _RepetitionFilter()

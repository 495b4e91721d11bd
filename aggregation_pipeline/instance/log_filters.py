"""Filters for lines that Dagster's services repeat: ticks with nothing to do, and tracebacks while PostgreSQL is away.

Each daemon has its own logger, and Dagster has no setting for these lines except the level. So a filter is added to the
loggers: it lets a line of a tick through once, and one line a minute while PostgreSQL does not answer.
"""

import logging
import re
import threading
import time
import traceback
from collections import OrderedDict
from typing import Final

from aggregation_pipeline.settings.log_once import claim_log_line, seconds_since_logged

# A test compares this with the daemons of the installed Dagster.
DAEMONS: Final = (
    *("AssetDaemon", "BackfillDaemon", "EventLogConsumerDaemon", "FreshnessDaemon"),
    *("MonitoringDaemon", "QueuedRunCoordinatorDaemon", "SchedulerDaemon", "SensorDaemon"),
)
# The root logger has the retries of connections, uvicorn's the pages that failed.
_LOGGERS: Final = (
    *("", "dagster", "dagster.code_server", "dagster.daemon", "dagster-webserver", "uvicorn.error"),
    *(f"dagster.daemon.{name}" for name in DAEMONS),
)
# Every process of a deployment notices an outage; only one of them logs it.
POSTGRES_OUTAGE: Final = "PostgreSQL is away"
_CODE_SERVER_OUTAGE: Final = "The code server does not answer"
MINUTE: Final = 60.0
_REPEAT_SECONDS: Final = 6 * 3600.0
_MAX_REMEMBERED: Final = 2000
# Errors of the connection. A statement that the server refuses raises other errors, and is no outage.
_CONNECTION_ERROR: Final = re.compile(
    r"psycopg2\.(?:OperationalError|InterfaceError|errors\.(?:AdminShutdown|CrashShutdown|CannotConnectNow|TooManyConnections))"
    r"\b['>]*\)?:?\s*(?P<reason>[^\n]*)"
)
# The parts of a line that differ from tick to tick.
_CHANGING_NUMBERS: Final = re.compile(r"(?<=\bevaluation )(?:ID )?\d+|\(\d+\.\d+ seconds\)")
# Consequences of an outage: code servers that do not start, and sensors that get no answer in time.
_CONSEQUENCE: Final = re.compile(
    r"DagsterUserCodeUnreachableError|StatusCode\.(?:UNAVAILABLE|DEADLINE_EXCEEDED)|PostgreSQL does not answer"
)
_CONSEQUENCE_SECONDS: Final = 240.0
# The web process warns, with all stacks, that the code server ended before it.
_NO_CODE_SERVER: Final = re.compile(
    r"Error loading repository location \S+:.*\bDagsterUserCodeUnreachableError\b", re.DOTALL
)
# A code server ends like this when another one has loaded the code again, which happens in a daemon each minute.
_REPLACED: Final = re.compile(r"^No heartbeat received in \d+ seconds, shutting down$")
_RETRYING: Final = "Retrying failed database connection"


def install_log_filters() -> None:
    """Add the filter to the loggers of Dagster's services in this process; a second call changes nothing."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if _FILTER not in logger.filters:
            logger.addFilter(_FILTER)


class _RepetitionFilter(logging.Filter):
    """One filter for all loggers of a process."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._logged_at: OrderedDict[str, float] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record through, shorten it, or drop it."""
        text = _full_text(record)
        found = _CONNECTION_ERROR.search(text)
        if _RETRYING in text:
            _prevent_double_lines()
        if found or _RETRYING in text:
            reason = found["reason"].strip() if found else ""
            return _shorten(record, f"PostgreSQL does not answer{f' ({reason})' if reason else ''}", POSTGRES_OUTAGE)
        if _NO_CODE_SERVER.search(text):
            return _shorten(record, _CODE_SERVER_OUTAGE, _CODE_SERVER_OUTAGE)
        if _REPLACED.search(text):
            return claim_log_line(text, every=_REPEAT_SECONDS)
        if (
            record.levelno >= logging.ERROR
            and _CONSEQUENCE.search(text)
            and seconds_since_logged(POSTGRES_OUTAGE) < _CONSEQUENCE_SECONDS
        ):
            return False
        return record.levelno > logging.INFO or self._is_new(_CHANGING_NUMBERS.sub("", f"{record.name} {text}"))

    def _is_new(self, text: str) -> bool:
        now = time.monotonic()
        with self._lock:
            fresh = now - self._logged_at.get(text, float("-inf")) > _REPEAT_SECONDS
            if fresh:
                self._logged_at[text] = now
                self._logged_at.move_to_end(text)
            while len(self._logged_at) > _MAX_REMEMBERED:
                self._logged_at.popitem(last=False)
        return fresh


def _shorten(record: logging.LogRecord, what: str, outage: str) -> bool:
    """Replace the record's text by this; False, to drop it, within a minute of the last line about the outage."""
    if not claim_log_line(outage, every=MINUTE):
        return False
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    record.msg = f"{what}. Whatever needs it waits, and continues by itself."
    record.args, record.exc_info, record.exc_text = (), None, None
    return True


def _prevent_double_lines() -> None:
    """Keep Dagster's lines off the handler that `logging.warning` gives the root logger.

    Dagster reports a retry by `logging.warning`. From then on, every other line of Dagster's would be written twice.
    """
    for handler in logging.getLogger().handlers:
        plain = (
            type(handler) is logging.StreamHandler and getattr(handler.formatter, "_fmt", None) == logging.BASIC_FORMAT
        )
        if plain and _is_not_dagsters not in handler.filters:
            handler.addFilter(_is_not_dagsters)


def _is_not_dagsters(record: logging.LogRecord) -> bool:
    return not record.name.startswith("dagster")


def _full_text(record: logging.LogRecord) -> str:
    """The message, with the traceback of its exception."""
    text = record.getMessage()
    if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
        text += "\n" + "".join(traceback.format_exception(record.exc_info[1]))
    return text


_FILTER: Final = _RepetitionFilter()

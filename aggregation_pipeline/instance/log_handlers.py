"""Where log lines go: all to `combined.log`, the pipeline's own to `app.log`, errors to `error.log`, JSON to stdout.

Dagster writes the lines of a run through the handlers that dagster.yaml names (the classes below). Lines from outside
of runs (schedules, sensors, loading) go through `configure`. Several processes write to the same files, so each line is
written, and each file rotated, under a lock.
"""

import json
import logging
import sys
import warnings
from datetime import UTC, datetime
from logging import LogRecord
from pathlib import Path
from typing import Final, TextIO

from dagster import BetaWarning, DagsterEvent
from dagster._core.storage.tags import PARTITION_NAME_TAG

from aggregation_pipeline.instance.log_context import current_work, work_of_step
from aggregation_pipeline.settings.base import load_log_settings
from aggregation_pipeline.settings.left_out import left_out
from aggregation_pipeline.settings.logs import LogSettings

# It locks files by portalocker, which also has a lock in Redis, and imports its client wherever that is installed.
with left_out("redis"):
    from concurrent_log_handler import ConcurrentRotatingFileHandler

# Handlers in dagster.yaml have been the documented way for years. A warning in the terminal of every run, that they are
# beta, helps nobody.
warnings.filterwarnings("ignore", message=".*yaml-defined logging configuration.*", category=BetaWarning)

_MAX_BYTES: Final = 20 << 20
_BACKUPS: Final = 5
_OURS: Final = "aggregation_pipeline"


class _LogFile(ConcurrentRotatingFileHandler):
    """One of the files, in LOG_DIR, at LOG_LEVEL."""

    name_of_file: str

    def __init__(self, directory: str | None = None) -> None:
        settings = load_log_settings()
        path = Path(directory) if directory else settings.log_dir
        path.mkdir(parents=True, exist_ok=True)
        # Dagster makes new handlers for each run and never closes them, so the file must not be kept open.
        super().__init__(
            str(path / self.name_of_file),
            maxBytes=_MAX_BYTES,
            backupCount=_BACKUPS,
            encoding="utf-8",
            keep_file_open=False,
        )
        self.setLevel(settings.log_level)
        self.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())


class CombinedLog(_LogFile):
    """All lines."""

    name_of_file = "combined.log"


class AppLog(_LogFile):
    """The pipeline's own lines, without Dagster's events of steps and assets."""

    name_of_file = "app.log"

    def filter(self, record: LogRecord) -> bool:
        """Drop records that carry a Dagster event."""
        return bool(super().filter(record)) and not _meta(record).get("dagster_event")


class ErrorLog(_LogFile):
    """Errors."""

    name_of_file = "error.log"

    def __init__(self, directory: str | None = None) -> None:
        super().__init__(directory)
        self.setLevel(logging.ERROR)


class TextLines(logging.Formatter):
    """`2026-11-20T02:00:01.234+00:00 INFO [1a2b3c4d aggregate_users] message`."""

    def format(self, record: LogRecord) -> str:
        """Lay out one record; an exception's lines follow it."""
        meta = _meta(record)
        where = (
            " ".join(part for part in (str(meta.get("run_id") or "")[:8], str(meta.get("step_key") or "")) if part)
            or record.name
        )
        line = f"{_timestamp(record)} {record.levelname} [{where}] {_message(record)}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonLines(logging.Formatter):
    """One JSON object a line, with `run_id`, `job`, `step`, `table` and `window` as far as the line belongs to them."""

    def format(self, record: LogRecord) -> str:
        """Lay out one record."""
        line = {
            "time": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        line |= {key: str(value) for key, value in _belongs_to(record).items() if value}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class JsonStdout(logging.StreamHandler[TextIO]):
    """JSON lines on stdout if LOG_FORMAT=json, for containers whose logs are collected; otherwise nothing."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        settings = load_log_settings()
        self._enabled = settings.log_format == "json"
        self.setLevel(settings.log_level)
        self.setFormatter(JsonLines())

    def filter(self, record: LogRecord) -> bool:
        """Drop everything unless LOG_FORMAT=json."""
        return self._enabled and bool(super().filter(record))


def terminal_handler(settings: LogSettings) -> logging.Handler:
    """Return the handler that writes to the terminal."""
    if settings.log_format == "json":
        return JsonStdout()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLines())
    handler.setLevel(settings.log_level)
    return handler


def configure(settings: LogSettings, *, terminal: bool = True) -> None:
    """Send what our modules log outside of runs to the files and the terminal; a second call changes nothing."""
    ours = logging.getLogger(_OURS)
    if ours.handlers:
        return
    ours.setLevel(settings.log_level)
    ours.propagate = False
    for handler in (
        *(kind(str(settings.log_dir)) for kind in (CombinedLog, AppLog, ErrorLog)),
        *([terminal_handler(settings)] if terminal else []),
    ):
        ours.addHandler(handler)


def _meta(record: LogRecord) -> dict[str, object]:
    # Dagster adds what it knows of the run to the record.
    meta = getattr(record, "dagster_meta", None)
    return meta if isinstance(meta, dict) else {}


def _belongs_to(record: LogRecord) -> dict[str, object]:
    meta = _meta(record)
    run_id, step = meta.get("run_id"), meta.get("step_key")
    if not run_id:
        work = current_work()
        return {"run_id": work.run_id, "table": work.table, "window": work.window}
    work = work_of_step(str(step) if step else None)
    event, tags = meta.get("dagster_event"), meta.get("job_tags")
    of_event = event.partition if isinstance(event, DagsterEvent) else None
    of_run = tags.get(PARTITION_NAME_TAG) if isinstance(tags, dict) else None
    return {
        "run_id": run_id,
        "job": meta.get("job_name"),
        "step": step,
        "table": work.table,
        "window": of_event or work.window or of_run,
    }


def _message(record: LogRecord) -> str:
    # Dagster's messages begin with "job - run id - pid - step - ", which the line has already.
    meta = _meta(record)
    message = str(meta.get("orig_message") or record.getMessage())
    event = meta.get("dagster_event")
    if isinstance(event, DagsterEvent) and event.is_step_failure and event.step_failure_data.error:
        # Dagster's own line says which step failed; the reason is only in the UI.
        error = event.step_failure_data.error
        while error.cause:
            error = error.cause
        return f"{message} {error.message.strip()}"
    return message


def _timestamp(record: LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

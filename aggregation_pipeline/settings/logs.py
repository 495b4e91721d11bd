"""The variables of logs: where lines go, which of them, and in which form; and what the processes of runs print."""

from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import BaseModel, Field, field_validator

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

# Levels of loggers for Node.js, as the services before this one had them, by Python's names.
_NODE_LEVELS: Final = {
    "WARN": "WARNING",
    "HTTP": "INFO",
    "TRACE": "DEBUG",
    "VERBOSE": "DEBUG",
    "SILLY": "DEBUG",
    "FATAL": "CRITICAL",
}


class LogSettings(BaseModel):
    """By themselves, because each log file's handler reads them, and Dagster makes several for each run."""

    log_dir: Path = Path("logs")
    log_level: LogLevel = "INFO"
    log_format: Literal["text", "json"] = "text"

    # Where that stays which the processes of runs print: in a folder of this machine, or in the store of the files. By
    # default in the store where runs are computed on other machines than the one whose UI shows them.
    compute_logs: Literal["local", "store"] | None = None
    # How long those in the store stay.
    compute_log_keep_days: int = Field(default=30, ge=1, le=3650)

    @field_validator("log_level", mode="before")
    @classmethod
    def _translate_level(cls, value: object) -> object:
        name = str(value).strip().upper()
        name = _NODE_LEVELS.get(name, name)
        # A wrong one stays as the user wrote it, for the message.
        return name if name in get_args(LogLevel) else value

"""The variables LOG_...: where log lines go, which of them, and in which form."""

from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import BaseModel, field_validator

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

# Levels of loggers for Node.js, as the services before this one had them, by Python's names.
_NODE_LEVELS: Final = {
    "WARN": "WARNING",
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

    @field_validator("log_level", mode="before")
    @classmethod
    def _translate_level(cls, value: object) -> object:
        name = str(value).strip().upper()
        name = _NODE_LEVELS.get(name, name)
        # A wrong one stays as the user wrote it, for the message.
        return name if name in get_args(LogLevel) else value

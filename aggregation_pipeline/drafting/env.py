"""The draft's `.env`: a new file, or lines below one that is there."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aggregation_pipeline.settings.env_file import parse_env_file, read_env_file
from aggregation_pipeline.settings.env_text import env_assignment

_ADDRESS: Final = ("DB_HOST", "DB_PORT", "DB_SOCKET", "DB_USER", "DB_NAME")
_HEAD: Final = "# Written by aggregation-pipeline init. All variables: .env.example and docs/configuration.md."
_POSTGRES: Final = """\

# PostgreSQL for Dagster's storage and batch_jobs. It is needed before the first run: take the mark away and fill it in.
# DAGSTER_PG_URL="postgresql://user:password@localhost:5432/dagster"
"""


def read_env(path: Path) -> tuple[str, dict[str, str]]:
    """The text and the variables of a file; nothing where there is none.

    Raises:
        SettingsError: it cannot be read, or has lines that are no assignments.
    """
    try:
        text = read_env_file(path)
    except FileNotFoundError:
        return "", {}
    return text, parse_env_file(text, path)


def with_variables(text: str, there: Mapping[str, str], values: Mapping[str, str], *, needs_postgres: bool) -> str:
    """The text with those variables added that it lacks; lines that are there stay.

    Raises:
        SettingsError: a value cannot be written so that all readers of the file see the same.
    """
    has_address = any(there.get(name) for name in ("DB_HOST", "DB_SOCKET"))
    missing = {
        name: value
        for name, value in values.items()
        if value and name not in there and not (has_address and name in _ADDRESS)
    }
    lines = [env_assignment(name, value) for name, value in missing.items()]
    if not text:
        postgres = _POSTGRES if needs_postgres else ""
        return "\n".join([_HEAD, *lines]) + "\n" + postgres
    if not lines:
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    end = "" if text.endswith("\n") else newline
    return text + end + newline.join(["", "# Added by aggregation-pipeline init.", *lines, ""])


def other_address(there: Mapping[str, str], values: Mapping[str, str]) -> list[str]:
    """The variables of the file that name another database than the one that was read."""
    has_address = any(there.get(name) for name in ("DB_HOST", "DB_SOCKET"))
    return [
        name for name in _ADDRESS if has_address and name != "DB_PORT" and there.get(name, "") != values.get(name, "")
    ]


def new_salt() -> str:
    """A key for the mask `hash`."""
    return secrets.token_hex(32)

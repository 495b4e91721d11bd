"""The draft's `.env`: a new file, or lines below one that is there."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aggregation_pipeline.config.source_kinds import DEFAULT_KIND
from aggregation_pipeline.config.sources import SOURCE_KEYS, with_variables_of
from aggregation_pipeline.settings.env_file import parse_env_file, read_env_file
from aggregation_pipeline.settings.env_text import env_assignment
from aggregation_pipeline.settings.source import SourceSettings

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


def variables_of_source(
    source: SourceSettings, name: str | None, written: Mapping[str, str], *, with_password: bool
) -> dict[str, str]:
    """The variables that say where a database is.

    `name` is that of one of several; `written` holds what aggregation.yaml says of it, by key, and is not repeated.
    """
    address = (
        {"DB_SOCKET": str(source.db_socket)}
        if source.db_socket
        else {"DB_HOST": source.db_host or "", "DB_PORT": str(source.port)}
    )
    values = {
        "DB_KIND": source.db_kind if source.db_kind != DEFAULT_KIND else "",
        **address,
        "DB_USER": source.db_user or "",
        "DB_PASSWORD": source.db_password.get_secret_value() if with_password else "",
        "DB_NAME": source.db_name or "",
    }
    return {
        with_variables_of(name, variable): value
        for variable, value in values.items()
        if written.get(SOURCE_KEYS[variable.removeprefix("DB_")]) != value
    }


def with_variables(
    text: str, there: Mapping[str, str], values: Mapping[str, str], *, needs_postgres: bool, source: str | None = None
) -> str:
    """The text with those variables added that it lacks; lines that are there stay.

    `source` is the name of the database that `values` name, of several.

    Raises:
        SettingsError: a value cannot be written so that all readers of the file see the same.
    """
    has_address = _has_address(there, source)
    missing = {
        name: value
        for name, value in values.items()
        if value and name not in there and not (has_address and name in _address(source))
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


def other_address(there: Mapping[str, str], values: Mapping[str, str], source: str | None = None) -> list[str]:
    """The variables of the file that name another database than the one that was read."""
    if not _has_address(there, source):
        return []
    names = [name for name in _address(source) if not name.endswith("_PORT")]
    return [name for name in names if there.get(name, "") != values.get(name, "")]


def _address(source: str | None) -> list[str]:
    return [with_variables_of(source, name) for name in _ADDRESS]


def _has_address(there: Mapping[str, str], source: str | None) -> bool:
    return any(there.get(with_variables_of(source, name)) for name in ("DB_HOST", "DB_SOCKET"))


def new_salt() -> str:
    """A key for the mask `hash`."""
    return secrets.token_hex(32)

"""Writes `.env` so that each of its readers sees the same value.

This project and Node's dotenv take a value as it is written; python-dotenv, by which Dagster's services read the file,
expands `${...}` and other escapes. So each spelling is read back by both rules, and the first that gives the value is
taken. Spellings that docker compose and a shell would change come last.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.env_file import parse_env_file

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_BARE: Final = re.compile(r"[A-Za-z0-9_.,:/@%+=-]+")
# `$` would be expanded by docker compose and shells, backslashes and backquotes by a shell.
_CHANGED_IN_DOUBLE_QUOTES: Final = re.compile(r"[$\\`]")
# A quote that the line leaves open would end at the end of one of these.
_AFTERWARDS: Final = "\nZ=1'\nZ=1\"\nZ=1`\n"


def env_assignment(name: str, value: str) -> str:
    """The line `NAME=value`, without its end, that Node's dotenv, this project and python-dotenv read alike.

    Raises:
        SettingsError: there is no such line, as for a value that holds `${NAME}`; the message does not repeat it.
    """
    for line in _lines(name, value):
        if value_in_node(name, line) == value == value_in_python(name, line):
            return line
    raise SettingsError(
        f"{name} cannot be written into .env so that all its readers see the same: Dagster's services expand ${{...}}"
        " and take some quotes and backslashes otherwise. Set it in the environment, or change it"
    )


def env_assignment_for_node(name: str, value: str) -> str:
    """The line that Node's dotenv and this project read so, whatever python-dotenv makes of it.

    Raises:
        SettingsError: there is no such line either; the message does not repeat the value.
    """
    for line in _lines(name, value):
        if value_in_node(name, line) == value:
            return line
    raise SettingsError(f"{name} cannot be written into .env: the value holds quotes of every kind, or a NUL")


def value_in_node(name: str, text: str) -> str | None:
    """What Node's dotenv, and this project, read as the value of a variable; None where they read none."""
    try:
        return parse_env_file(text + _AFTERWARDS, Path(".env")).get(name)
    except SettingsError:
        return None


def value_in_python(name: str, text: str) -> str | None:
    """What python-dotenv reads; None where it reads none, or one that depends on other variables."""
    from dotenv.parser import parse_stream
    from dotenv.variables import Variable, parse_variables

    found = None
    # A file is opened with universal line ends.
    for binding in parse_stream(io.StringIO(text + _AFTERWARDS, newline=None)):
        if binding.key == name:
            found = binding.value
    expanded = found is not None and any(isinstance(atom, Variable) for atom in parse_variables(found))
    return None if expanded else found


def _lines(name: str, value: str) -> Iterator[str]:
    """Ways to write it, the plainest first.

    Raises:
        SettingsError: no environment can hold such a name or value.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r} is no name of a variable: letters, digits and _ are expected")
    if "\0" in value or not _is_utf8(value):
        raise SettingsError(f"{name} holds a character that no file of variables can: a NUL, or half of one")
    escaped = value.replace("\r", r"\r").replace("\n", r"\n")
    doubled, single = f'{name}="{escaped}"', f"{name}='{value}'"
    if _BARE.fullmatch(value):
        yield f"{name}={value}"
    yield from (single, doubled) if _CHANGED_IN_DOUBLE_QUOTES.search(value) else (doubled, single)
    yield f'{name}="{value}"'
    yield f"{name}={value}"
    yield f"{name}=`{value}`"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

"""`NAME_FILE`: the value of the variable NAME is the content of a file, as orchestrators hand out secrets.

A process that puts such a value into the environment of others marks the variable. They inherit the value and the
variable NAME_FILE; the mark says that the value is that of the file, and that nobody has set both.
"""

import os
import stat
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.unusable import unusable

SUFFIX: Final = "_FILE"
# The names of the variables that a process before this one has read, with commas between.
MARK: Final = "AGGREGATION_READ_FROM_FILES"
# No variable needs more, and a process starts with all of them.
_MOST_BYTES: Final = 65_536


def with_files(names: Iterable[str]) -> list[str]:
    """Return each name, and that of the variable that may name a file instead, in capitals."""
    return [each for name in names for each in (name.upper(), name.upper() + SUFFIX)]


def hand_down(environment: MutableMapping[str, str], values: Mapping[str, str]) -> None:
    """Set variables in an environment that processes inherit, wherever their values came from."""
    if not values:
        return
    marked = {*_marked(environment), *(name.upper() for name in values)}
    environment.update({name.upper(): value for name, value in values.items()})
    environment[MARK] = ",".join(sorted(marked))


def is_read(name: str, own: Mapping[str, str] = MappingProxyType({})) -> bool:
    """Whether a process before this one has put the value of a file into the environment, and `own` has no other."""
    return name.upper() in _marked(os.environ) and not {name.lower(), name.lower() + SUFFIX.lower()} & own.keys()


def read_value_files(names: Iterable[str], found: Mapping[str, str], where: Mapping[str, str]) -> dict[str, str]:
    """The values of those of the variables `names` that a file holds.

    Args:
        names: in small letters, without those that `is_read`.
        found: all variables that are set, by their names in small letters.
        where: in which place each of them is set, in words; "settings" is that of a component.

    Raises:
        SettingsError: names every variable that is set in both ways, and every file that cannot be used.
    """
    values: dict[str, str] = {}
    problems: list[str] = []
    for name in names:
        file = name + SUFFIX.lower()
        if file not in found:
            continue
        if name in found:
            both = f"{name.upper()} (in {where[name]}) and {file.upper()} (in {where[file]})"
            problems.append(f"{both} are both set, and only one of them can count. Remove one")
            continue
        try:
            values[name] = _content(Path(found[file]))
        except OSError as error:
            problems.append(f"{file.upper()}: {found[file]} cannot be read ({error.strerror})")
        except ValueError as error:
            problems.append(f"{file.upper()}: {found[file]} {error}")
    if problems:
        raise SettingsError(unusable(problems, in_component="settings" in where.values()))
    return values


def _marked(environment: Mapping[str, str]) -> set[str]:
    return {name for name in environment.get(MARK, "").split(",") if name}


def _content(path: Path) -> str:
    """The text of a small file, without one line break at its end.

    Raises:
        OSError: it cannot be read.
        ValueError: says what is wrong with it, without a word of its content.
    """
    if path.is_dir():
        raise ValueError(
            "is a folder, and a file with the value is expected. Docker makes such a folder where the file to mount is"
            " missing"
        )
    # A pipe that nobody writes to would be waited for, without end.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("is no regular file, and each process has to read the value from it")
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"has more than {_MOST_BYTES} bytes, so it is no value of a variable")
    if b"\0" in content:
        raise ValueError("is no text: it holds zero bytes, as UTF-16 does. Save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8. Save it as UTF-8") from None
    value = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    if not value:
        raise ValueError("is empty. Write the value into it, or leave the variable out")
    return value

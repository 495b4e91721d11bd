"""Finds the tables that a user asks for by name, and suggests the right name for one that does not exist."""

import re
from collections.abc import Collection, Sequence
from typing import Final

from aggregation_pipeline.config.messages.likely_causes import foreign_sign
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.errors import ConfigError

_BETWEEN_NAMES: Final = re.compile(r"[，、；;|]")
_AROUND_NAMES: Final = re.compile(r"^[\[({'\"]|[\])}'\"]$")


def list_problem(name: str) -> str:
    """Why a "name" is rather a list in another syntax; empty if it is not."""
    for is_wrong, message in (
        (_BETWEEN_NAMES.search(name), "names stand with a comma between, as in users,orders"),
        (name == "*", "for all entries leave the option or variable out"),
        (_AROUND_NAMES.search(name), "names stand without brackets and quotes, as in users,orders"),
    ):
        if is_wrong:
            return f"{sign}; {message}" if (sign := foreign_sign(name)) else message
    return ""


def select_names(names: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The names in `known` that are asked for, in upper or lower case; in the order of `names`, each once.

    Raises:
        ConfigError: a name does not exist; the nearest one is suggested.
    """
    by_case = {name.casefold(): name for name in known}
    found = {name: name if name in known else by_case.get(name.casefold()) for name in names}
    unknown = [name for name, right in found.items() if right is None]
    if unknown:
        raise ConfigError(
            f"no table named {', '.join(map(repr, unknown))} is configured{list_known(unknown[0], known)}"
        )
    return tuple(dict.fromkeys(filter(None, found.values())))


def list_known(name: str, known: Collection[str]) -> str:
    """The end of a message about a name that does not exist: the names that do, and the one that was probably meant."""
    problem = list_problem(name)
    hint = f". {problem[0].upper()}{problem[1:]}" if problem else did_you_mean(name, known)
    return f"; there are {', '.join(known)}{'.' if hint.startswith(' ') else ''}{hint}"

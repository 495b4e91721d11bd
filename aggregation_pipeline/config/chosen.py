"""Names that somebody asks for, among those that there are."""

from collections.abc import Collection, Sequence
from typing import Final

from aggregation_pipeline.config.causes import describe_sign
from aggregation_pipeline.config.nearest import nearest
from aggregation_pipeline.errors import ConfigError

# Between names these are commas that were meant.
_COMMAS: Final = "，、；;|"
_AROUND: Final = "[]{}\"'"


def list_problem(name: str) -> str:
    """What shows that a name is a list that was written in another way; empty where nothing does."""
    if name == "*":
        return "without the option or variable all tables are taken"
    sign = next((letter for letter in name if letter in _COMMAS), "")
    if sign:
        return describe_sign(sign) or f"several names stand with a comma between, not with {sign}"
    if any(letter in _AROUND for letter in name):
        return "names stand without brackets and quotes, with commas between"
    return ""


def chosen(names: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """Those of `known` that are asked for, in any case, in the order of `names`, each once.

    Raises:
        ConfigError: one that is not there, with the nearest right one.
    """
    by_case = {name.casefold(): name for name in known}
    found = {name: name if name in known else by_case.get(name.casefold()) for name in names}
    unknown = [name for name, right in found.items() if right is None]
    if unknown:
        raise ConfigError(f"no table named {', '.join(map(repr, unknown))} is configured{there(unknown[0], known)}")
    return tuple(dict.fromkeys(filter(None, found.values())))


def there(name: str, known: Collection[str]) -> str:
    """What there is instead of a name that is not there, and which of it was meant."""
    problem = list_problem(name)
    hint = f". {problem[0].upper()}{problem[1:]}" if problem else nearest(name, known)
    return f"; there are {', '.join(known)}{'.' if hint.startswith(' ') else ''}{hint}"

"""Which hints are let through, and what they mean for a statement.

A hint that could change what a result says, or lift a limit of the session, is refused. So is one that nobody here
knows.
"""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql import hint_names as names
from aggregation_pipeline.config.sql.hint_items import Item
from aggregation_pipeline.config.sql.tokens import ExpressionError

# Hints with a rule of their own. Some servers go on reading behind an argument that they do not understand, so none of
# these may stand in an argument.
_GUARDED: Final = frozenset(
    {*names.LIMITS, *names.SETTERS, *names.STALE_READS, *names.REFUSED, *names.COMMANDS, *names.COMMAND_LIMITS}
)
_FIXED: Final = "every session gives it a value of its own, or it could change a result"
_OWN_LIMIT: Final = "; to limit a statement write source_limits.timeout_seconds"


class Judged(NamedTuple):
    """What a hint that is let through means.

    Attributes:
        wide: whether it holds for the whole statement.
        limit: the seconds that it gives the statement.
        stale: what it does, if it reads rows of some time ago.
    """

    wide: bool = True
    limit: float | None = None
    stale: str = ""


Judge = Callable[[Item], Judged]


def judge_hint(item: Item) -> Judged:
    """Judge a hint of MySQL's form.

    Raises:
        ExpressionError: it is refused; the message says why.
    """
    if item.is_setting:
        raise ExpressionError(f"{item.text}: a variable is set by SET_VAR({item.text})")
    if item.name == "SET_VAR":
        return _judge_variables(item)
    _refuse_nested(item)
    if item.name in names.LIMITS:
        return Judged(limit=_seconds(item, item.arguments, names.LIMITS[item.name]))
    if item.name in names.STALE_READS:
        strong = tuple(word.upper() for word in item.arguments) == ("STRONG",)
        return Judged(stale="" if strong else names.STALE_READS[item.name])
    if item.name == "OPT_PARAM":
        return _judge_parameter(item)
    return Judged(wide=_is_wide(item))


def judge_command(item: Item) -> Judged:
    """Judge a command of PolarDB-X; all of them hold for the whole statement.

    Raises:
        ExpressionError: it is refused; the message says why.
    """
    if item.is_setting:
        return _judge_setting(item, names.COMMAND_SETTINGS, names.COMMAND_LIMITS)
    if item.name in names.COMMAND_LIMITS:
        return Judged(limit=_seconds(item, item.arguments, names.COMMAND_LIMITS[item.name]))
    if item.name == "CMD_EXTRA":
        found = [
            _judge_setting(setting, names.COMMAND_SETTINGS, names.COMMAND_LIMITS) for setting in _settings_in(item)
        ]
        return Judged(limit=max((each.limit for each in found if each.limit is not None), default=None))
    if item.name == "MASTER" and not item.arguments:
        return Judged()
    if item.name in names.LIMITS or item.name in names.SETTERS:
        raise _unknown(item, item.name, names.COMMANDS | names.COMMAND_LIMITS.keys())
    return judge_hint(item)._replace(wide=True)


def judge_setting(item: Item) -> Judged:
    """Judge a setting of AnalyticDB's, which holds for the whole statement.

    Raises:
        ExpressionError: it is refused; the message says why.
    """
    if not item.is_setting:
        raise ExpressionError(f"{item.text}: settings of one comment all have the form name=value")
    return _judge_setting(item, names.SETTINGS, names.SETTING_LIMITS)


def _is_wide(item: Item) -> bool:
    if reason := names.REFUSED.get(item.name):
        raise ExpressionError(f"{item.text} is refused: it {reason}")
    if item.name in names.OF_STATEMENT:
        return True
    if item.name in names.OF_ONE_SELECT or item.name.removeprefix("NO_") in names.OF_ONE_SELECT:
        return False
    raise _unknown(item, item.name, names.OF_ONE_SELECT | names.OF_STATEMENT | names.LIMITS.keys() | names.SETTERS)


def _judge_parameter(item: Item) -> Judged:
    """Judge `OPT_PARAM('name', value)`."""
    name = item.arguments[0].strip("'\"") if item.arguments[1:2] == (",",) and len(item.arguments) == 3 else ""
    if name.lower() not in names.PARAMETERS:
        raise _unknown(item, name, names.PARAMETERS)
    return Judged()


def _judge_variables(item: Item) -> Judged:
    limits = list[float]()
    for setting in _settings_in(item):
        name = setting.name.lower()
        if name in names.LIMIT_VARIABLES:
            limits.append(_seconds(setting, setting.arguments, names.LIMIT_VARIABLES[name]))
        elif name == "max_execution_time":
            raise ExpressionError(f"{item.text}: its unit differs by server. Write MAX_EXECUTION_TIME(milliseconds)")
        elif name not in names.VARIABLES:
            raise ExpressionError(
                f"{item.text}: {name} is no variable that a hint may set: {_FIXED} (docs/variables.md)"
                f"{_OWN_LIMIT if 'time' in name else ''}"
            )
    return Judged(limit=max(limits, default=None))


def _settings_in(item: Item) -> Iterator[Item]:
    """The settings between the brackets of a hint: `name = value`, with commas between."""
    for is_comma, group in itertools.groupby(item.arguments, key=lambda text: text == ","):
        words = tuple(group)
        if is_comma:
            if len(words) > 1:
                raise ExpressionError(f"{item.text}: there is nothing between two commas")
        elif len(words) < 3 or words[1] != "=" or "=" in words[2:] or {*words} & {"(", ")", "@"}:
            raise ExpressionError(f"{item.text}: name = value is expected between its brackets")
        else:
            yield Item(words[0].upper(), "".join(words), words[2:], is_setting=True)
    if not item.arguments:
        raise ExpressionError(f"{item.text}: name = value is expected between its brackets")


def _judge_setting(item: Item, known: Collection[str], limits: Mapping[str, int]) -> Judged:
    if item.name in limits:
        return Judged(limit=_seconds(item, item.arguments, limits[item.name]))
    if item.name not in {name.upper() for name in known}:
        raise _unknown(item, item.name, {*known, *limits})
    return Judged()


def _seconds(item: Item, arguments: Sequence[str], per_second: int) -> float:
    number = arguments[0] if len(arguments) == 1 else ""
    if not (number.isascii() and number.isdigit()) or int(number) == 0:
        raise ExpressionError(
            f"{item.text}: one whole number above 0 is expected, in units of which {per_second:,} are a second"
        )
    return int(number) / per_second


def _refuse_nested(item: Item) -> None:
    if "=" in item.arguments:
        raise ExpressionError(f"{item.text}: {item.name} sets nothing, so it has no =")
    for word, following in itertools.pairwise(item.arguments):
        if following == "(" and word.strip("`'\"").upper() in _GUARDED:
            raise ExpressionError(f"{item.text}: {word} is a hint of its own and cannot stand inside of another one")


def _unknown(item: Item, name: str, known: Collection[str]) -> ExpressionError:
    return ExpressionError(
        f"{item.text}: {name or 'nothing'} is not among the hints that are known to leave the result as it is"
        f" (docs/servers.md).{did_you_mean(name, known) if name else ''}"
    )

"""PyYAML's errors in a user's words: what the line was probably meant to be, and how YAML writes that."""

import re
from collections.abc import Sequence
from typing import Final

import yaml

from aggregation_pipeline.config.messages.likely_causes import QUOTED, foreign_line, foreign_sign, without_quotes
from aggregation_pipeline.config.messages.secrets import HIDDEN, mentions_secret, without_secrets

_KEY: Final = re.compile(r"^(?P<indent>[\s-]*)(?P<key>[^\s#'\"{}\[\],:-][^#'\"{}\[\],:]*?)\s*:(?:\s|$)")
_CRON: Final = re.compile(r"(?:[\d*/,?L-]+\s+){3,5}[\w*/,?-]+")
# The keys in braces before a place of the same line.
_FLOW_KEY: Final = re.compile(r"[{,]\s*(\w+)\s*:(?=\s)")
# The parser may notice a wrong line only this many lines later.
_LINES_BACK: Final = 3
_DOCUMENTS: Final = "one document is expected; take out the lines --- and those that begin with %"
# By words of PyYAML's own message.
_REMEDIES: Final = {
    "another document": _DOCUMENTS,
    "document start": _DOCUMENTS,
    "expected ':'": (
        "a key is followed by a colon and a space, as in limit: 5; text under | or > is indented deeper than its key"
    ),
    "<block end>": (
        "text follows a closing quote or bracket (one pair of quotes holds the whole value), or the indentation differs"
    ),
    "a comment or a line break": ("a value that begins with > or | needs quotes, or its text begins on the next line"),
    "entries are not allowed": (
        "a value that begins with - needs quotes, and so does one that begins with ` @ % * & ? ! | >"
    ),
    "keys are not allowed": (
        "a value that begins with ? needs quotes, and so does one that begins with ` @ % * & - ! | >"
    ),
}


def explain_syntax_error(error: yaml.MarkedYAMLError, text: str) -> str:
    """What is wrong with a file that is not YAML, the likely cause, the remedy, and the key in which it is.

    Passwords of the file are not repeated.
    """
    lines = text.split("\n")
    mark = error.problem_mark or error.context_mark
    at = min(mark.line, len(lines) - 1) if mark else 0
    column = mark.column if mark else 0
    if tab := _tab(error, lines[at]):
        return tab
    if lines[at][column : column + 1] == "," and lines[at][:column].rstrip().endswith(("}", "]", '"', "'")):
        return "a comma follows the end of a value; take it out"
    message = _foreign_line_near(lines, at) or _foreign_sign_near(lines, at)
    if not message:
        message = _by_kind(error, lines, at, column) or _pyyaml_message(error, lines[max(0, at - _LINES_BACK) : at + 1])
        if sign := foreign_sign(without_quotes(lines[at])):
            message += f"; {sign}"
    path = _keys_above(lines, at, column)
    return without_secrets(f"{message} (in {path})" if path else message)


def _pyyaml_message(error: yaml.MarkedYAMLError, above: Sequence[str]) -> str:
    """PyYAML's own words, without what they quote where a line above may begin a password."""
    message = ", ".join(part for part in (error.context, error.problem) if part)
    return QUOTED.sub(repr(HIDDEN), message) if any(map(mentions_secret, above)) else message


def _tab(error: yaml.MarkedYAMLError, line: str) -> str:
    if "\\t" in str(error.problem) or "\t" in line[: len(line) - len(line.lstrip())]:
        return "there is a tab where YAML takes only spaces; indent with spaces"
    return ""


def _foreign_line_near(lines: Sequence[str], at: int) -> str:
    """JavaScript or a template in the line, in one just above, or in the first one."""
    for number in [*range(at, max(-1, at - _LINES_BACK), -1), 0]:
        if cause := foreign_line(lines[number]):
            return cause if number == at else f"line {number + 1}: {cause}"
    return ""


def _foreign_sign_near(lines: Sequence[str], at: int) -> str:
    """A sign of a Chinese keyboard in a line that has no colon of YAML. Behind a key such signs are ordinary text."""
    for number in range(at, max(-1, at - _LINES_BACK), -1):
        if not _KEY.match(lines[number]) and (cause := foreign_sign(without_quotes(lines[number]))):
            return cause if number == at else f"line {number + 1}: {cause}"
    return ""


def _by_kind(error: yaml.MarkedYAMLError, lines: Sequence[str], at: int, column: int) -> str:
    problem, context, line = str(error.problem), str(error.context), lines[at]
    for words, remedy in _REMEDIES.items():
        if words in problem:
            return remedy
    if "scanning an alias" in context:
        return _star(line, error.context_mark.column if error.context_mark else column)
    if "cannot start any token" in problem:
        return (
            f"a value that begins with {line[column : column + 1]} needs quotes, as one that begins with ` @ % * &"
            " ! | >"
        )
    if "mapping values are not allowed" in problem:
        return _second_colon(lines, at)
    if "quoted scalar" in context:
        started = error.context_mark.line + 1 if error.context_mark else at + 1
        return (
            f"the quote that opens in line {started} is not closed, or \\ in double quotes begins no escape that"
            " YAML knows"
        )
    return _flow(error, lines, at, column) if "flow" in context else ""


def _star(line: str, column: int) -> str:
    rest = line[column:].partition(" #")[0].strip()
    if _CRON.fullmatch(rest):
        return f"a cron expression needs quotes: '{rest}'"
    return "a value that begins with * needs quotes; all columns are select_fields: ['*']"


def _second_colon(lines: Sequence[str], at: int) -> str:
    above = next((line for line in reversed(lines[:at]) if line.strip() and not line.lstrip().startswith("#")), "")
    if (
        _KEY.match(lines[at])
        and _indent(lines[at]) > _indent(above)
        and not above.partition(" #")[0].rstrip().endswith(":")
    ):
        return (
            "this line is indented deeper than the one above, which has its value already or lacks its colon and space"
        )
    return "a value that holds ': ' or ' #' needs quotes, and so does one that begins with ` @ % * &"


def _flow(error: yaml.MarkedYAMLError, lines: Sequence[str], at: int, column: int) -> str:
    opened = error.context_mark
    bracket = lines[opened.line][opened.column : opened.column + 1] if opened else ""
    if "stream end" in str(error.problem):
        where = (
            f"the {bracket} that opens in line {opened.line + 1}"
            if opened and bracket in tuple("{[")
            else "a { or [ that opens above"
        )
        return f"{where} is never closed"
    inside = "{ }" if bracket == "{" else "[ ]"
    if lines[at][:column].rstrip().endswith(("'", '"')):
        return (
            "text follows the closing quote; one pair of quotes holds the whole, '' is a quote inside of '...',"
            f" and inside {inside} a comma ends a text without them"
        )
    return (
        f"inside {inside} a comma is missing before this, or a text that holds ': ' or one of , [ ] {{ }} has no quotes"
    )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _keys_above(lines: Sequence[str], at: int, column: int) -> str:
    """The keys that lead to a place, by indentation alone, because the file cannot be parsed.

    What seems to be a key below one that is called like a password may be a password.
    """
    path: list[str] = []
    limit = len(lines[at]) + 1
    for line in reversed(lines[: at + 1]):
        match = _KEY.match(line)
        if match and len(match["indent"]) < limit:
            limit = len(match["indent"])
            path.insert(0, match["key"])
    inside = _FLOW_KEY.findall(lines[at][:column])
    keys = [*path, *inside]
    return ".".join(keys[: next((number for number, key in enumerate(keys, 1) if mentions_secret(key)), None)])

"""Expressions as of the logical time: `now()` and its like are the moment of the run, whenever it really happens.

MySQL's sessions can be told the time. PostgreSQL's cannot, so these words, and nothing else of the user's text, are
replaced by the moment that they mean. What else asks the server for its clock is refused.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.tokens import Token, tokenize
from aggregation_pipeline.errors import SourceError

_CALLS: Final = frozenset(("now", "transaction_timestamp"))
_WORDS: Final = frozenset(("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"))
# Words in a text that the server reads as a moment of its own clock, if it takes the text for a date or a time.
_MOMENTS: Final = re.compile(r"(?<![^\W_])(?:now|today|tomorrow|yesterday)(?![^\W_])", re.IGNORECASE)
_MOMENT: Final = re.compile(rf"'\s*{_MOMENTS.pattern}\s*'", re.IGNORECASE)
_TYPES: Final = frozenset(("date", "time", "timetz", "timestamp", "timestamptz"))
# In a text with E before it.
_ESCAPE: Final = re.compile(
    r"\\(?:(?:x(?=[0-9A-Fa-f])|u(?=[0-9A-Fa-f]{4})|U(?=[0-9A-Fa-f]{8}))"
    r"(?P<hexadecimal>(?<=x)[0-9A-Fa-f]{1,2}|(?<=u)[0-9A-Fa-f]{4}|(?<=U)[0-9A-Fa-f]{8})"
    r"|(?P<octal>[0-7]{1,3})|(?P<other>.))",
    re.DOTALL,
)
_CONTROLS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# No date has it, and every text may.
_NO_DATE: Final = "?"


def at_logical_time(sql: str, moment: datetime, zone: ZoneInfo) -> str:
    """Return an expression with the logical time in the place of the words that mean the present.

    Args:
        sql: a checked expression.
        moment: the logical time.
        zone: whose clock the session computes with.

    Raises:
        SourceError: it asks for the present in a way that cannot be replaced.
    """
    lowered = sql.lower()
    if not any(word in lowered for word in (*_CALLS, *_WORDS, "age", "today", "tomorrow", "yesterday")):
        return sql
    tokens, text = tokenize(sql, POSTGRESQL)
    parts, position, index = list[str](), 0, 0
    while index < len(tokens):
        start = text.index(tokens[index].text, position)
        parts.append(text[position:start])
        taken = _taken(tokens, index)
        position = start
        for token in tokens[index : index + taken]:
            position = text.index(token.text, position) + len(token.text)
        parts.append(_literal(tokens[index].name, moment, zone) if _is_present(tokens, index) else text[start:position])
        index += taken
    return "".join(parts)


def _taken(tokens: Sequence[Token], index: int) -> int:
    return 3 if _is_present(tokens, index) and tokens[index].name in _CALLS else 1


def _is_present(tokens: Sequence[Token], index: int) -> bool:
    """Whether a token begins a word for the present; raises if it does so in another way than is known here."""
    token, before = tokens[index], tokens[index - 1] if index else None
    behind = [each.text for each in tokens[index + 1 : index + 3]]
    _refuse_text(token, before, behind[0] if behind else "")
    if _is_in_disguise(tokens, index):
        raise SourceError(
            f"{token.name}() is written without a schema and without quotation marks here: it is of the run's logical"
            " time."
        )
    if token.kind != "word" or (before is not None and before.text == "."):
        return False
    if token.name in _CALLS:
        return behind == ["(", ")"]
    if token.name == "age" and behind[:1] == ["("] and not _has_two_arguments(tokens[index + 1 :]):
        raise SourceError(
            "age() with one argument asks for the server's own day, and a repeated run would give other rows. Write"
            " age(current_date, ...)."
        )
    if token.name in _WORDS and behind[:1] == ["("]:
        raise SourceError(f"{token.text} is written without a number of digits here: it is the run's logical time.")
    return token.name in _WORDS


def _is_in_disguise(tokens: Sequence[Token], index: int) -> bool:
    """Whether the server's function for the present is called by another spelling: `"now"()`, `pg_catalog.age(d)`."""
    token, before = tokens[index], [each.text for each in tokens[max(index - 2, 0) : index]]
    if token.name not in {*_CALLS, "age"} or [each.text for each in tokens[index + 1 : index + 2]] != ["("]:
        return False
    if token.name == "age" and _has_two_arguments(tokens[index + 1 :]):
        return False
    return tokens[index - 2].name == "pg_catalog" if before[1:] == ["."] else token.kind == "quoted"


def _refuse_text(token: Token, before: Token | None, behind: str) -> None:
    is_moment = behind == "::" or (before is not None and before.name in _TYPES)
    if token.kind == "string" and _MOMENT.fullmatch(token.text) and is_moment:
        raise moment_of_the_server(token.text)


def moment_of_the_server(text: str) -> SourceError:
    """What is raised where a text asks for the server's clock."""
    return SourceError(
        f"{text} is a moment of the server's clock, and a repeated run would give other rows. Write current_date or"
        " now(), which are the run's logical time."
    )


def without_moments(sql: str) -> Iterator[tuple[str, str]]:
    """Yield each text that may be a moment of the server's clock, and the statement with a text that is none instead.

    Only the server knows which type it gives a text: in `created_at >= 'today'` it is a moment, in `day = 'today'` it
    may be the value of a column. If it is read as a date, the server refuses the other statement.
    """
    if _MOMENTS.search(sql) is None and "\\" not in sql:
        return
    tokens, text = tokenize(sql, POSTGRESQL)
    position = 0
    for token in tokens:
        start = text.index(token.text, position)
        position = start + len(token.text)
        if token.kind == "string" and _MOMENTS.search(value := _value_of(token.text)):
            other = POSTGRESQL.literal("text", _MOMENTS.sub(_NO_DATE, value))
            yield token.text, text[:start] + other + text[position:]


def _value_of(text: str) -> str:
    """The value of a text in quotes; one with E before it may spell its letters by numbers."""
    prefix, _, quoted = text.partition("'")
    value = quoted[:-1].replace("''", "'")
    return _ESCAPE.sub(_letter, value) if prefix.lower() == "e" else value


def _letter(escape: "re.Match[str]") -> str:
    digits, octal, other = escape["hexadecimal"], escape["octal"], escape["other"]
    if digits or octal:
        number = int(digits, 16) if digits else int(octal, 8)
        # The server refuses what is no letter. None of those is one of a word for the present.
        return chr(number) if number <= sys.maxunicode else _NO_DATE
    return _CONTROLS.get(other, other)


def _has_two_arguments(tokens: Sequence[Token]) -> bool:
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return False
        if token.text == "," and depth == 1:
            return True
    return False


def _literal(word: str, moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    if word == "current_date":
        return f"DATE '{local.date().isoformat()}'"
    if word == "localtimestamp":
        return f"TIMESTAMP '{local.replace(tzinfo=None).isoformat(sep=' ')}'"
    if word == "localtime":
        return f"TIME '{local.time().isoformat()}'"
    if word == "current_time":
        return f"TIMETZ '{local.timetz().isoformat()}'"
    return f"TIMESTAMPTZ '{moment.astimezone(UTC).isoformat(sep=' ')}'"

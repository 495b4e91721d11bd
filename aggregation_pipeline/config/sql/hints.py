"""Hints to the server's optimizer, which reach the server as they are written, or are refused.

Three forms of comments: names with arguments, as of MySQL and most others (`/*+ INDEX(t by_day) PARALLEL(8) */`),
PolarDB-X's commands (`/*+TDDL:MASTER()*/`) and AnalyticDB's settings (`/*+ resource_group=reports */`). MySQL's index
hints are no comments: `FORCE INDEX (by_day)`.

A hint may say how rows are found, never which. Some servers go on reading behind what they do not understand, so what
stands inside of an argument is checked too.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from aggregation_pipeline.config.sql.hint_items import Item, items_of, lexemes_of
from aggregation_pipeline.config.sql.hint_rules import Judge, judge_command, judge_hint, judge_setting
from aggregation_pipeline.config.sql.tokens import ExpressionError

_MAX_LENGTH: Final = 4_096
_BLANKS: Final = " \t\r\n"
_INDEX_HINT: Final = r"""(?!FORCE[^(]*\([ \t\r\n]*\))
    (?:USE|FORCE|IGNORE)[ \t\r\n]+(?:INDEX|KEY)
    (?:[ \t\r\n]+FOR[ \t\r\n]+(?:JOIN|(?:ORDER|GROUP)[ \t\r\n]+BY))?[ \t\r\n]*
    \((?:[ \t\r\n]*(?:`[^`*/\\]+`|[\w$]+)[ \t\r\n]*(?:,(?![ \t\r\n]*\))|(?=\))))*[ \t\r\n]*\)"""
_INDEX_HINTS: Final = re.compile(rf"{_INDEX_HINT}(?:[ \t\r\n]*{_INDEX_HINT})*", re.IGNORECASE | re.VERBOSE)
_COMMENT: Final = re.compile(r"/\*\+.*?\*/", re.DOTALL)
_EXAMPLE: Final = (
    "hints are written as in SQL: /*+ INDEX(orders by_day) */ as behind SELECT, or FORCE INDEX (by_day) as behind a"
    " table's name"
)
Marks = tuple[str, str, str]
# What stands before, between and behind the hints of a comment.
HINT_MARKS: Final[Marks] = ("/*+ ", " ", " */")
COMMAND_MARKS: Final[Marks] = ("/*+TDDL:", " ", "*/")
SETTING_MARKS: Final[Marks] = ("/*+ ", ", ", " */")


class LimitHint(NamedTuple):
    """A hint of ours that limits the time of a statement, for a server that takes the limit in no other way."""

    marks: Marks
    text: str


class Limit(NamedTuple):
    """A hint that limits the time of a statement."""

    text: str
    seconds: float


@dataclass(frozen=True)
class Hints:
    """The checked hints of an entry.

    Attributes:
        comment: as it is written, with its marks; empty without one.
        of_statement: the hints of it that hold for a whole statement.
        of_select: those that hold for the SELECT in which they stand.
        marks: of the comment.
        leads: whether the comment stands before the first SELECT, not behind it.
        front: a comment of ours before the first SELECT; empty without one.
        index: index hints, for the place behind the table's name.
        limits: hints that limit the time of a statement.
        stale: the hint that reads rows of some time ago, and what it does; empty without one.
    """

    comment: str = ""
    of_statement: tuple[str, ...] = ()
    of_select: tuple[str, ...] = ()
    marks: Marks = HINT_MARKS
    leads: bool = False
    front: str = ""
    index: str = ""
    limits: tuple[Limit, ...] = ()
    stale: str = ""

    @property
    def select(self) -> str:
        """SELECT with the comments at their places."""
        placed = (self.comment, "SELECT") if self.leads else ("SELECT", self.comment)
        return " ".join(filter(None, (self.front, *placed)))

    def around(self) -> "Hints":
        """Those of the outer SELECT, if another one reads the table."""
        return replace(self, comment=self._comment(self.of_statement), of_select=())

    def inside(self) -> "Hints":
        """Those of a SELECT that reads the table, if it stands within a statement."""
        return replace(self, comment=self._comment(self.of_select), of_statement=(), front="")

    def without_limits(self) -> "Hints":
        """The same without limits on the time of a statement."""
        if not self.limits:
            return self
        limits = {limit.text for limit in self.limits}
        kept = tuple(text for text in self.of_statement if text not in limits)
        return replace(self, comment=self._comment((*kept, *self.of_select)), of_statement=kept, limits=())

    def with_limit(self, limit: LimitHint | None) -> "Hints":
        """The same with a limit of ours, unless there is one already; it stands in the same comment, if that can be."""
        if limit is None or self.limits:
            return self
        if self.comment and self.marks == limit.marks:
            texts = (*self.of_statement, limit.text)
            return replace(self, comment=self._comment((*texts, *self.of_select)), of_statement=texts)
        return replace(self, front=_joined(limit.marks, (limit.text,)))

    def _comment(self, texts: Sequence[str]) -> str:
        return _joined(self.marks, texts)


def _joined(marks: Marks, texts: Sequence[str]) -> str:
    before, between, behind = marks
    return f"{before}{between.join(texts)}{behind}" if texts else ""


NO_HINTS: Final = Hints()


# While a project is loaded, and for each window, the same hints are read again.
@functools.lru_cache(maxsize=1_000)
def read_hints(texts: tuple[str, ...]) -> Hints:
    """The hints of an entry, each text one or several of them.

    Raises:
        ExpressionError: names the hint that is refused, why, and what to write instead.
    """
    comments, indexes = list[str](), list[str]()
    for text in texts:
        rest = text.strip(_BLANKS)
        if not rest:
            raise ExpressionError(f"it is empty; {_EXAMPLE}")
        while rest:
            if found := _COMMENT.match(rest):
                comments.append(found[0])
            elif found := _INDEX_HINTS.match(rest):
                indexes.append(found[0])
            else:
                raise ExpressionError(_why_no_hint(rest))
            rest = rest[found.end() :].strip(_BLANKS)
    if len(comments) > 1:
        raise ExpressionError(
            "two comments with hints; a SELECT takes one, and servers ignore another without a word. Write all of them"
            " into one: /*+ INDEX(orders by_day) PARALLEL(8) */"
        )
    hints = _read_comment(comments[0]) if comments else NO_HINTS
    return replace(hints, index=" ".join(indexes))


def refuse_wide_hints(comment: str) -> None:
    """Refuse a comment in a sub-select that has hints of more than its own SELECT.

    Raises:
        ExpressionError: names the hint, and where it belongs.
    """
    if wide := _read_comment(comment).of_statement:
        raise ExpressionError(
            f"{wide[0]} is a hint for the whole statement, not for a sub-select; write it under the key hints"
        )


def _why_no_hint(rest: str) -> str:
    if rest.startswith(("/*!", "/*M!")):
        return "/*! ... */ is no hint but SQL that some servers run; write plain SQL under the other keys"
    if rest.startswith("/*+"):
        return "the comment /*+ is never closed"
    return f"{rest.split(maxsplit=1)[0]} begins no hint; {_EXAMPLE}"


@functools.lru_cache(maxsize=1_000)
def _read_comment(comment: str) -> Hints:
    if len(comment) > _MAX_LENGTH:
        raise ExpressionError(f"the hints have {len(comment):,} characters, and {_MAX_LENGTH:,} is the limit")
    inside = comment[3:-2]
    lexemes = lexemes_of(inside)
    words = [text for text, _, _ in lexemes]
    if not words:
        raise ExpressionError(f"{comment} holds no hint; leave it out")
    # PolarDB-X knows its commands by what stands right behind the mark.
    if words[0].upper() == "TDDL" and words[1:2] == [":"]:
        if not inside.upper().startswith("TDDL:"):
            raise ExpressionError("PolarDB-X takes /*+TDDL: without a blank in it only")
        hints = Hints(marks=COMMAND_MARKS)
        return _judged(comment, hints, items_of(inside, lexemes[2:]), judge_command)
    if words[1:2] == ["="]:
        hints = Hints(marks=SETTING_MARKS, leads=True)
        return _judged(comment, hints, items_of(inside, lexemes), judge_setting)
    return _judged(comment, NO_HINTS, items_of(inside, lexemes), judge_hint)


def _judged(comment: str, hints: Hints, items: Iterator[Item], judge: Judge) -> Hints:
    found = [(item.text, judge(item)) for item in items]
    if not found:
        raise ExpressionError(f"{comment} holds no hint; leave it out")
    return replace(
        hints,
        comment=comment,
        of_statement=tuple(text for text, each in found if each.wide),
        of_select=tuple(text for text, each in found if not each.wide),
        limits=tuple(Limit(text, each.limit) for text, each in found if each.limit is not None),
        stale=next((f"{text} {each.stale}" for text, each in found if each.stale), ""),
    )

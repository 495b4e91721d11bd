"""One field of a cron expression: its text as Dagster has to get it, and the numbers that it stands for."""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
# Where in the five fields these are.
DAY: Final = 2
MONTH: Final = 3
WEEKDAY: Final = 4

_PART: Final = re.compile(r"(?P<from>\*|\w+)(?:-(?P<to>\w+))?(?:/(?P<step>\d{1,2}))?", re.ASCII)
# 1#2 is the second Monday of the month. node-cron writes the last Friday 5L, and Dagster L5.
_COUNTED: Final = re.compile(r"(?P<day>\w+)#(?P<which>[1-5])|(?P<before>[0-7])l|l(?P<after>[0-7])", re.ASCII)


class FieldError(ValueError):
    """A field that cannot be used; the message says why and what is expected."""


class ReadField(NamedTuple):
    """A field that was read.

    Attributes:
        title: what the field is about.
        text: as Dagster reads it.
        values: the numbers that it stands for, where Sunday is 0; empty where the month decides, as for L and 1#2.
        in_version_3: what node-cron 3 takes it for; None where that does not know such a text.
    """

    title: str
    text: str
    values: frozenset[int]
    in_version_3: frozenset[int] | None


@dataclass(frozen=True)
class Field:
    """What a field may hold: numbers from `low` to `high`, or `names` for the first of them, and `?` if it is a day.

    The cycle ends with `last`: a week ends on Saturday, although 7 is Sunday once more.
    """

    title: str
    low: int
    high: int
    last: int
    names: tuple[str, ...] = ()

    def read(self, text: str) -> ReadField:
        """Read the text of this field.

        Raises:
            FieldError: it cannot be used.
        """
        if text == "?" and self in (FIELDS[DAY], FIELDS[WEEKDAY]):
            text = "*"
        parts = text.lower().split(",")
        if parts == ["l"] and self is FIELDS[DAY]:
            return ReadField(self.title, text, frozenset(), None)
        if self is FIELDS[WEEKDAY] and any(map(_COUNTED.fullmatch, parts)):
            # Version 3 drops what it does not understand behind a number.
            uncounted = self._in_version_3(re.sub(r"#\d|(?<=\d)l", "", text.lower()))
            return ReadField(self.title, ",".join(map(self._counted, parts)), frozenset(), uncounted)
        values = frozenset[int]().union(*(self._values(text.lower(), part) for part in parts))
        short = re.sub(r"[A-Za-z]{4,}", lambda name: name[0][:3], text)
        return ReadField(self.title, short, values, self._in_version_3(short.lower()))

    def _values(self, text: str, part: str) -> set[int]:
        """The numbers that `part` of the list `text` stands for."""
        match = _PART.fullmatch(part)
        if self is FIELDS[DAY] and re.search("[lw]", part):
            raise FieldError(
                f"the {self.title} {text!r} is none that Dagster can run on; expected: numbers, or L alone for the last"
                " day"
            )
        if match is None:
            raise FieldError(
                f"the {self.title} {text!r} is not understood; expected: *, numbers, lists 1,2, ranges 1-5, steps */5"
            )
        step = int(match["step"] or 1)
        if not 1 <= step <= self.high:
            alone = self.low if match["from"] == "*" else match["from"]
            meant = f"; node-cron takes this one for {alone} alone" if step else ""
            raise FieldError(f"the {self.title} {part!r} has no such step; a step is from 1 to {self.high}{meant}")
        if match["to"]:
            first, last = self._range(part, match["from"], match["to"])
        else:
            first = self.low if match["from"] == "*" else self._number(match["from"])
            if match["step"] and first == self.last:
                raise FieldError(
                    f"the {self.title} {part!r} begins with the last one, and Dagster then begins anew; write"
                    f" {match['from']}"
                )
            last = self.last if match["from"] == "*" or match["step"] else first
        if self is FIELDS[WEEKDAY]:
            return {number % 7 for number in range(first % 7 if match["step"] else first, last + 1, step)}
        return set(range(first, last + 1, step))

    def _range(self, part: str, start: str, end: str) -> tuple[int, int]:
        """Where a range begins and ends."""
        if start == "*":
            raise FieldError(f"the {self.title} {part!r} is no range; a range is of numbers, as 1-5")
        first, last = self._number(start), self._number(end)
        week = self is FIELDS[WEEKDAY]
        if (first == last or (week and {first, last} == {0, 7})) and (first, last) != (0, 7):
            raise FieldError(
                f"the {self.title} {part!r} is a range of one, which Dagster takes for all of them; write {start}"
            )
        if week:
            # Sunday is 0 where a range begins, and 7 where it ends.
            first, last = first % 7, last or 7
        if first > last:
            listed = "its numbers one by one" if "/" in part else f"{start}-{self.last},{self.low}-{end}"
            raise FieldError(f"the {self.title} {part!r} is no range; a range goes upwards, as 1-5: write {listed}")
        return first, last

    def _number(self, text: str) -> int:
        for number, name in enumerate(self.names, start=self.low):
            if text in (name, name[:3]):
                return number
        if text.isdigit() and len(text) <= 2 and self.low <= int(text) <= self.high:
            return int(text)
        names = f", or names as {self.names[1 - self.low][:3].upper()}" if self.names else ""
        raise FieldError(
            f"the {self.title} {text!r} is unknown; expected: numbers from {self.low} to {self.high}{names}"
        )

    def _counted(self, part: str) -> str:
        """A weekday that is counted in the month, as Dagster writes it."""
        match = _COUNTED.fullmatch(part)
        if match is None:
            raise FieldError(
                f"the {self.title} {part!r} stands beside one that is counted in the month, which Dagster cannot;"
                " expected: all of them counted, as 1#2 or L5, or none"
            )
        if match["which"]:
            return f"{self._number(match['day']) % 7}#{match['which']}"
        return f"L{int(match['before'] or match['after']) % 7}"

    def _in_version_3(self, text: str) -> frozenset[int] | None:
        """What node-cron 3 takes a text for: it turns ranges round, and keeps the multiples of a step."""
        if self is FIELDS[WEEKDAY]:
            text = text.replace("7", "0", 1)
        for number, name in enumerate(self.names, start=self.low):
            text = text.replace(name[:3], str(number))
        text = text.replace("*", f"{self.low}-{self.last}", 1)
        while found := re.search(r"(\d+)-(\d+)", text):
            first, last = sorted(map(int, found.groups()))
            text = text.replace(found[0], ",".join(map(str, range(first, last + 1))), 1)
        # A step counts at the end only, for the whole list. Of other parts it takes the number that they begin with.
        listed, step = found.groups() if (found := re.fullmatch(r"(.+)/(\w+)", text)) else (text, "1")
        begun = [re.match(r"\d+", part) for part in listed.split(",")]
        # What is no number is left out by a step, and refused without one.
        if not (found or all(begun)) or not step.isdigit() or int(step) == 0:
            return None
        numbers = frozenset(int(part[0]) for part in begun if part and int(part[0]) % int(step) == 0)
        return numbers if numbers and min(numbers) >= self.low and max(numbers) <= self.high else None


FIELDS: Final = (
    Field("minute", 0, 59, 59),
    Field("hour", 0, 23, 23),
    Field("day of the month", 1, 31, 31),
    Field("month", 1, 12, 12, MONTHS),
    Field("day of the week", 0, 7, 6, DAYS),
)

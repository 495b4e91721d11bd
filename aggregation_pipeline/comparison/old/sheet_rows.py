"""Collects rows from the elements of a sheet, as expat meets them."""

import re
from typing import Final

from aggregation_pipeline.comparison.old.cells import Cell, Number
from aggregation_pipeline.errors import ComparisonError

_PLACE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_NUMBER: Final = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,3})?")
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")


class SharedTexts:
    """The texts that cells name by number."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._parts: list[str] | None = None
        self._phonetic = False

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        """Begin an element."""
        if tag == "si":
            self.found.append("")
        self._phonetic = self._phonetic or tag == "rPh"
        self._parts = [] if tag == "t" and not self._phonetic else None

    def end(self, tag: str) -> None:
        """End an element."""
        if tag == "t" and self._parts is not None and self.found:
            self.found[-1] += unescaped("".join(self._parts))
        if tag == "rPh":
            self._phonetic = False
        self._parts = None

    def text(self, text: str) -> None:
        """Take characters."""
        if self._parts is not None:
            self._parts.append(text)


class SheetRows:
    """The rows of a sheet: number and cells by position, from 0. `name` is the file's in messages."""

    def __init__(self, name: str, shared: list[str]) -> None:
        self._name = name
        self._shared = shared
        self._rows: list[tuple[int, dict[int, Cell]]] = []
        self._number, self._place, self._type = 0, -1, "n"
        self._cells: dict[int, Cell] = {}
        self._parts: list[str] | None = None
        self._inside = False

    def take(self) -> list[tuple[int, dict[int, Cell]]]:
        """Return the rows that have come since the last call."""
        rows, self._rows = self._rows, []
        return rows

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        if tag == "row":
            self._number, self._cells, self._place = self._number + 1, {}, -1
        elif tag == "c":
            self._begin_cell(attributes)
        elif tag in {"v", "t"}:
            self._parts, self._inside = self._parts or [], True
        elif tag == "f":
            raise ComparisonError(
                f"{self._name}, row {self._number}: a cell holds a formula, and the Node service writes values only."
                " Somebody changed the file: take the one that was written."
            )

    def end(self, tag: str) -> None:
        """End an element."""
        if tag in {"v", "t"}:
            self._inside = False
        elif tag == "c" and self._parts is not None:
            self._cells[self._place] = self._value("".join(self._parts))
            self._parts = None
        elif tag == "row":
            self._rows.append((self._number, self._cells))

    def text(self, text: str) -> None:
        """Take characters."""
        if self._inside and self._parts is not None:
            self._parts.append(text)

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        self._type, self._parts = attributes.get("t", "n"), None
        place = _PLACE.fullmatch(attributes.get("r", ""))
        if place is None:
            self._place += 1
            return
        column = 0
        for letter in place[1]:
            column = column * 26 + ord(letter) - 64
        self._place = column - 1

    def _value(self, text: str) -> Cell:
        if self._type == "s":
            number = int(text) if text.isascii() and text.isdigit() else -1
            if not 0 <= number < len(self._shared):
                raise ComparisonError(f"{self._name}, row {self._number}: a cell names a text that is not there.")
            return self._shared[number]
        if self._type == "b":
            return text.strip() == "1"
        return Number(text.strip()) if self._type == "n" and _NUMBER.fullmatch(text.strip()) else unescaped(text)


def unescaped(text: str) -> str:
    """Return the characters that XML cannot hold, and that are written as `_x000B_`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text

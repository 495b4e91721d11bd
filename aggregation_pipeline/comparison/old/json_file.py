"""Reads the rows of one table from `aggregated_*.json`, row by row: the file may be larger than the memory."""

import codecs
import json
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path
from typing import BinaryIO, Final

from aggregation_pipeline.comparison.old.cells import Number, Row
from aggregation_pipeline.comparison.old.table import OldTable
from aggregation_pipeline.errors import ComparisonError

_CHUNK: Final = 1024 * 1024
# No row of a table, and nothing else in the file, is longer: MySQL's packets have at most a GiB, and rows that long
# cannot be compared by people either.
_LONGEST: Final = 64 * 1024 * 1024
_BLANKS: Final = " \t\r\n"
_SHAPE: Final = '{"timestamp": ..., "tables": {"orders": {"success": true, "data": [...]}}}'


def read_json_table(path: Path, name: str, table: str) -> OldTable:
    """Return the rows of `table`, which are read while they are iterated over. `name` is the file's in messages.

    Raises:
        ComparisonError: while iterating, if the file is not as the Node service writes it.
    """
    result = OldTable(())
    result.rows = _rows(path, name, table, result)
    return result


def json_tables(path: Path, name: str) -> list[str]:
    """Return the names of the tables in a file."""
    with path.open("rb") as file:
        text = _Text(file, name)
        found = []
        for table in _tables(text):
            found.append(table)
            text.skip()
        return found


def _rows(path: Path, name: str, table: str, result: OldTable) -> Iterator[Row]:
    with path.open("rb") as file:
        text = _Text(file, name)
        for found in _tables(text):
            if found != table:
                text.skip()
                continue
            result.found = True
            for key in text.members():
                if key == "data" and text.peek() == "[":
                    yield from _data(text, table, result)
                elif key in {"success", "recordCount"}:
                    value = text.value()
                    if key == "success":
                        result.failed = value is False
                    elif isinstance(value, Number) and value.isdigit():
                        result.recorded = int(value)
                else:
                    text.skip()


def _tables(text: "_Text") -> Iterator[str]:
    """Yield the name of each table; the caller takes its value."""
    if text.peek() != "{":
        raise text.error(f"an object was expected: {_SHAPE}")
    seen = False
    for key in text.members():
        if key != "tables":
            text.skip()
            continue
        if seen or text.peek() != "{":
            raise text.error(f'one object "tables" was expected: {_SHAPE}')
        seen = True
        names = set[str]()
        for table in text.members():
            if table in names:
                raise text.error("a table is there twice")
            names.add(table)
            if text.peek() != "{":
                raise text.error(f"each table is an object: {_SHAPE}")
            yield table
    if not seen:
        raise text.error(f'it has no "tables": {_SHAPE} was expected')
    text.end()


def _data(text: "_Text", table: str, result: OldTable) -> Iterator[Row]:
    known = frozenset[str]()
    for row in text.elements():
        if not isinstance(row, dict):
            raise text.error(f"table {table!r}: each row is an object with the columns")
        if not result.columns:
            result.columns = tuple(row)
            known = frozenset(row)
        elif not row.keys() <= known:
            raise text.error(f"table {table!r}: a row has columns that the first row does not have")
        yield row


class _Text:
    """JSON that is read from a file piece by piece."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("strict")
        self._text, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder(
            parse_float=Number, parse_int=Number, parse_constant=self._refuse_constant, object_pairs_hook=self._object
        )

    def error(self, why: str) -> ComparisonError:
        """Return an error at the place that was reached."""
        return ComparisonError(
            f"{self._name} is not what the Node service writes, near byte {self._file.tell()}: {why}."
        )

    def peek(self) -> str:
        """Return the next character that is no blank; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _BLANKS:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def members(self) -> Iterator[str]:
        """Yield the keys of an object; the caller takes each value."""
        for _ in self._items("{", "}"):
            key = self.value()
            if type(key) is not str:
                raise self.error("a key in quotes was expected")
            self._take(":")
            yield key

    def elements(self) -> Iterator[object]:
        """Yield the values of an array."""
        for _ in self._items("[", "]"):
            yield self.value()

    def _items(self, begin: str, end: str) -> Iterator[None]:
        """Yield before each item between the brackets; the caller takes it."""
        self._take(begin)
        if self.peek() == end:
            self._take(end)
            return
        while True:
            yield
            if self.peek() == end:
                self._take(end)
                return
            self._take(",")

    def skip(self) -> None:
        """Leave out the next value. Arrays and objects are read member by member, whatever their length."""
        first = self.peek()
        if first == "[":
            for _ in self.elements():
                pass
        elif first == "{":
            for _ in self.members():
                self._skip_member()
        else:
            self.value()

    def _skip_member(self) -> None:
        # Two levels deep is the array of rows; what lies deeper is small.
        if self.peek() == "[":
            for _ in self.elements():
                pass
        else:
            self.value()

    def value(self) -> object:
        """Return the next value."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except JSONDecodeError as error:
                if len(self._text) - self._at > _LONGEST:
                    raise self.error(f"a value is longer than {_LONGEST // 1024**2} MiB, or is no JSON") from None
                if not self._more():
                    raise self.error(f"it is cut off or no JSON ({error.msg})") from None
                continue
            except RecursionError:
                raise self.error("it is nested too deeply") from None
            # The digits of a number may go on.
            if end < len(self._text) or not self._more():
                self._at = end
                return value

    def end(self) -> None:
        """Refuse what follows the last value."""
        if self.peek():
            raise self.error("something follows the last brace")

    def _take(self, sign: str) -> None:
        if self.peek() != sign:
            raise self.error(f"{sign!r} was expected" if self.peek() else f"it is cut off: {sign!r} was expected")
        self._at += 1

    def _more(self) -> bool:
        if self._ended:
            return False
        # As much again as waits, so that a long value is not looked at too often.
        content = self._file.read(max(_CHUNK, len(self._text) - self._at))
        self._ended = not content
        try:
            more = self._decode.decode(content, final=self._ended)
        except UnicodeDecodeError:
            raise self.error(
                "it is not UTF-8, in which the Node service writes. Was it converted? `iconv -f gb18030 -t utf-8` turns"
                " GBK back"
            ) from None
        self._text, self._at = self._text[self._at :] + more, 0
        return not self._ended or bool(more)

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise self.error("an object has one key twice")
        return found

    def _refuse_constant(self, constant: str) -> object:
        raise self.error(f"{constant} is no JSON")

"""Reads a sheet of a workbook that SheetJS wrote (`.excel`), row by row, within bounds.

The parser is expat, which loads nothing from elsewhere; document types are refused. SheetJS writes values, no formulas.
It writes no shared texts either, which come in when somebody saves the file in Excel.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final
from xml.parsers import expat

from aggregation_pipeline.comparison.old.cells import Cell, Row
from aggregation_pipeline.comparison.old.sheet_rows import SharedTexts, SheetRows
from aggregation_pipeline.comparison.old.table import OldTable
from aggregation_pipeline.errors import ComparisonError

_WORKBOOK: Final = "xl/workbook.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_SHARED: Final = "xl/sharedStrings.xml"
# The longest name of a sheet.
_LONGEST_NAME: Final = 31
_CHUNK: Final = 256 * 1024
# XML of rows shrinks to a tenth or so; a bomb to a thousandth.
_ALWAYS_READ: Final = 64 * 1024 * 1024
_MOST_EXPANSION: Final = 300
_SMALL_PART: Final = 16 * 1024 * 1024
_SHARED_BYTES: Final = 512 * 1024 * 1024
_LAST: Final = True
_OLE: Final = b"\xd0\xcf\x11\xe0"


def read_excel_table(path: Path, name: str, table: str) -> OldTable:
    """Return the rows of the table's sheet, which are read while they are iterated over.

    Raises:
        ComparisonError: while iterating, if it is no such workbook.
    """
    result = OldTable(())
    result.rows = _rows(path, name, table, result)
    return result


def excel_tables(path: Path, name: str) -> list[str]:
    """Return the names of the sheets."""
    with _opened(path, name) as book:
        return list(_sheets(book, name))


def _rows(path: Path, name: str, table: str, result: OldTable) -> Iterator[Row]:
    with _opened(path, name) as book:
        sheets = _sheets(book, name)
        target = sheets.get(table[:_LONGEST_NAME])
        if target is None:
            return
        result.found = True
        shared = _shared(book, name)
        header: tuple[str, ...] = ()
        for number, cells in _cells(book, name, target, shared):
            if not header:
                header = _header(name, table, cells)
                result.columns = header
                continue
            if cells and max(cells) >= len(header):
                raise ComparisonError(f"{name}, sheet {table!r}, row {number}: a cell stands beside the columns.")
            yield {column: cells.get(place) for place, column in enumerate(header)}


def _header(name: str, table: str, cells: dict[int, Cell]) -> tuple[str, ...]:
    found = tuple(str(cells.get(place, "")) for place in range(max(cells, default=-1) + 1))
    if len(set(found)) != len(found):
        raise ComparisonError(f"{name}, sheet {table!r}: the first row names a column twice, so it is no header.")
    return found


def _opened(path: Path, name: str) -> zipfile.ZipFile:
    with path.open("rb") as file:
        start = file.read(4)
    if start == _OLE:
        raise ComparisonError(
            f"{name} is a workbook of Excel 97 (.xls), or is encrypted. Save it as .xlsx without a password, or compare"
            " the JSON file of the same time."
        )
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, OSError):
        raise ComparisonError(f"{name} is no workbook, or it is cut off: an .xlsx is expected in it.") from None


def _sheets(book: zipfile.ZipFile, name: str) -> dict[str, str]:
    """The part of each sheet, by the sheet's name."""
    targets: dict[str, str] = {}
    ids: dict[str, str] = {}

    def relation(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    def sheet(tag: str, attributes: dict[str, str]) -> None:
        if tag == "sheet":
            place = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            ids[attributes.get("name", "")] = place

    for part, handler in ((_RELATIONS, relation), (_WORKBOOK, sheet)):
        for _ in _parsed(book, name, part, handler, limit=_SMALL_PART):
            pass
    parts = {title: targets.get(place, "") for title, place in ids.items()}
    return {title: part.lstrip("/") if part.startswith("/") else f"xl/{part}" for title, part in parts.items() if part}


def _shared(book: zipfile.ZipFile, name: str) -> list[str]:
    if _SHARED not in book.namelist():
        return []
    texts = SharedTexts()
    for _ in _parsed(book, name, _SHARED, texts.start, texts.end, texts.text, limit=_SHARED_BYTES):
        pass
    return texts.found


def _cells(book: zipfile.ZipFile, name: str, part: str, shared: list[str]) -> Iterator[tuple[int, dict[int, Cell]]]:
    rows = SheetRows(name, shared)
    for _ in _parsed(book, name, part, rows.start, rows.end, rows.text):
        yield from rows.take()
    yield from rows.take()


def _parsed(
    book: zipfile.ZipFile,
    name: str,
    part: str,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
    *,
    limit: int | None = None,
) -> Iterator[None]:
    """Parse a part, and yield after each chunk of it."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, attributes: start(tag.rpartition(":")[2], attributes)
    if end is not None:
        parser.EndElementHandler = lambda tag: end(tag.rpartition(":")[2])
    parser.CharacterDataHandler = text

    def refuse(*_: object) -> None:
        raise ComparisonError(f"{name} declares a document type in {part}, which no workbook does. It is not read.")

    parser.StartDoctypeDeclHandler = refuse
    try:
        with book.open(part) as file:
            for chunk in _chunks(file, name, book.getinfo(part), limit):
                parser.Parse(chunk)
                yield
        parser.Parse(b"", _LAST)
    except expat.ExpatError as error:
        raise ComparisonError(f"{name}: {part} is no XML, line {error.lineno}: the workbook is damaged.") from None
    except (KeyError, zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError):
        raise ComparisonError(f"{name}: {part} is missing or damaged in the workbook.") from None
    except zlib.error:
        raise ComparisonError(f"{name}: {part} is damaged in the workbook.") from None


def _chunks(file: IO[bytes], name: str, info: zipfile.ZipInfo, limit: int | None) -> Iterator[bytes]:
    most = max(_ALWAYS_READ, info.compress_size * _MOST_EXPANSION) if limit is None else limit
    read = 0
    while chunk := file.read(_CHUNK):
        read += len(chunk)
        if read > most:
            raise ComparisonError(
                f"{name}: {info.filename} grows to over {most:,} bytes from {info.compress_size:,}, as no file of rows"
                " does. It is not read further."
            )
        yield chunk

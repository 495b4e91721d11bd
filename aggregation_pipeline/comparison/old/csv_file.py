"""Reads a CSV of csv-writer or json2csv row by row: UTF-8, commas, LF, all that has to be in quotes."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from aggregation_pipeline.comparison.old.cells import Row
from aggregation_pipeline.comparison.old.table import OldTable
from aggregation_pipeline.errors import ComparisonError

# No cell is longer.
_LONGEST: Final = 64 * 1024 * 1024


def read_csv_table(path: Path, name: str) -> OldTable:
    """Return the rows, which are read while they are iterated over. `name` is the file's in messages.

    Raises:
        ComparisonError: while iterating, if it is no such CSV.
    """
    result = OldTable((), found=True)
    result.rows = _rows(path, name, result)
    return result


def _rows(path: Path, name: str, result: OldTable) -> Iterator[Row]:
    before = csv.field_size_limit(_LONGEST)
    try:
        with path.open(encoding="utf-8-sig", errors="strict", newline="") as file:
            if file.read(1) == "\x00":
                raise ComparisonError(f"{name} is no text: it begins with a zero byte.")
            file.seek(0)
            reader = csv.reader(_lines(file, name), strict=True)
            header = tuple(next(reader, ()))
            if len(set(header)) != len(header):
                raise ComparisonError(f"{name}: the first line names a column twice, so it is no header of a query.")
            result.columns = header
            for cells in reader:
                if len(cells) != len(header):
                    raise ComparisonError(
                        f"{name}, line {reader.line_num}: {len(header)} cells are expected, as in the first line, and"
                        f" {len(cells)} are there. Is the file cut off, or was it changed?"
                    )
                yield dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise ComparisonError(f"{name} is no CSV, or it is cut off: {error}.") from None
    except UnicodeDecodeError:
        raise ComparisonError(
            f"{name} is not UTF-8, in which the Node service writes. Was it saved by Excel?"
            f" `iconv -f gb18030 -t utf-8` turns GBK back."
        ) from None
    finally:
        csv.field_size_limit(before)


def _lines(file: TextIO, name: str) -> Iterator[str]:
    while line := file.readline(_LONGEST):
        if len(line) == _LONGEST:
            raise ComparisonError(f"{name} is no CSV: a line has more than {_LONGEST // 1024**2} MiB.")
        yield line

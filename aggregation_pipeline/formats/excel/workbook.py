"""One workbook a table, as a colleague would make it: sheets `summary`, `detail` and `about`.

openpyxl makes everything but the rows: styles, headers, filters, widths, the about sheet. It would be slow with the
rows, so they are made elsewhere (rows.py) and put into openpyxl's sheets while the workbook is packed.
"""

import io
import re
import tempfile
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from openpyxl.utils import get_column_letter
from openpyxl.workbook import Workbook
from openpyxl.writer.excel import ExcelWriter
from openpyxl.xml.constants import ARC_CORE, DCTERMS_NS
from openpyxl.xml.functions import fromstring, tostring

from aggregation_pipeline.config.options import ExcelOptions, FormatOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common.batches import slices
from aggregation_pipeline.formats.common.file_format import Writing
from aggregation_pipeline.formats.common.rows import row_chunks
from aggregation_pipeline.formats.excel.about import fill_about
from aggregation_pipeline.formats.excel.deflated import Packed, Packer, write_zip
from aggregation_pipeline.formats.excel.labels import WORDS
from aggregation_pipeline.formats.excel.rows import row_pieces
from aggregation_pipeline.formats.excel.sheets import (
    Columns,
    add_sheets,
    area,
    columns_of,
    print_by_width,
    sheet_capacity,
)

# Ends the row of titles. What openpyxl wrote behind it are the totals.
_ROW_END = b"</row>"


def write_excel(extract: Extract, datasets: Sequence[Dataset], file: BinaryIO, options: FormatOptions) -> Writing:
    """Write one workbook with all datasets; return how many cells were cut.

    Rows are asked for before their number, so that they can be written while they are read.

    Raises:
        FormatError: a text is longer than a cell may be, and `onUnrepresentable` is error.
    """
    workbook = Workbook()
    workbook.properties.creator = "aggregation-pipeline"
    # Its styles are the workbook's. It is taken away before the sheets of the datasets come.
    unused = workbook.active
    # Beside the workbook, where room is looked after, and by a name, so that it is counted there.
    with tempfile.NamedTemporaryFile(dir=Path(file.name).parent, prefix=".", suffix=".part") as pieces:
        packer = Packer(pieces)
        written: list[tuple[Dataset, Columns, list[Packed]]] = []
        cut = 0
        for dataset in datasets:
            columns = columns_of(unused, dataset, options.excel)
            rows, count = yield from _write_rows(dataset, columns, packer, sheet_capacity(options.excel))
            written.append((dataset, columns, rows))
            cut += count
        if cut and options.on_unrepresentable == "error":
            raise FormatError(
                f"{extract.table}: {cut} texts are longer than the 32,767 characters of a cell of Excel. Shorten them"
                " in the query (LEFT(column, 32767)), leave excel out of this table's formats, or set"
                " onUnrepresentable to replace, which cuts."
            )
        workbook.remove(unused)
        rows_of: dict[str, tuple[Packed, str]] = {}
        for dataset, columns, rows in written:
            for piece, height in zip(rows, add_sheets(workbook, dataset, columns, options.excel), strict=True):
                rows_of[f"xl/worksheets/sheet{len(rows_of) + 1}.xml"] = piece, area(len(columns.kinds), height)
        if options.excel.about:
            _add_about(workbook, extract, options.excel)
        write_zip(file, _members(workbook, rows_of, packer), pieces)
    return {"excel_cells_cut": cut} if cut else {}


def _add_about(workbook: Workbook, extract: Extract, options: ExcelOptions) -> None:
    words = WORDS[options.language]
    about = workbook.create_sheet(words.about)
    fill_about(about, extract, words)
    print_by_width(about)


def _members(
    workbook: Workbook, rows_of: Mapping[str, tuple[Packed, str]], packer: Packer
) -> Mapping[str, Sequence[Packed]]:
    """Return the members of openpyxl's file, without its clock, with the rows put in.

    `rows_of` has the rows of each sheet and the area of all that it holds.
    """
    frame = io.BytesIO()
    # What `workbook.save` does, which would deflate all that is read again at once.
    ExcelWriter(workbook, zipfile.ZipFile(frame, "w")).save()
    members: dict[str, Sequence[Packed]] = {}
    with zipfile.ZipFile(frame) as source:
        for name in source.namelist():
            content = source.read(name)
            if name == ARC_CORE:
                content = _without_dates(content)
            if name not in rows_of:
                members[name] = [packer.add(content)]
                continue
            rows, covered = rows_of[name]
            content = re.sub(rb'<dimension ref="[^"]*"', f'<dimension ref="{covered}"'.encode(), content, count=1)
            before, mark, after = content.partition(_ROW_END)
            members[name] = [packer.add(before + mark), rows, packer.add(after)]
    return members


def _without_dates(properties: bytes) -> bytes:
    """Return the document's properties without dates, which would differ between two files of the same data."""
    tree = fromstring(properties)
    for element in list(tree):
        if element.tag.startswith("{" + DCTERMS_NS + "}"):
            tree.remove(element)
    return bytes(tostring(tree))


def _write_rows(
    dataset: Dataset, columns: Columns, packer: Packer, capacity: int
) -> Generator[None, None, tuple[list[Packed], int]]:
    """Return the rows of each sheet, and how many cells were cut."""
    letters = tuple(get_column_letter(column) for column in range(1, len(columns.kinds) + 1))
    sheets: list[Packed] = []
    cut = written = 0
    for batch in _within_sheets(dataset, capacity):
        yield
        if written == capacity:
            sheets.append(packer.end())
            written = 0
        pieces, count = row_pieces(batch, dataset.schema, columns.kinds, letters, columns.styles, written + 2)
        for chunk in row_chunks(pieces, null=""):
            packer.write(chunk)
        written += batch.num_rows
        cut += count
    return [*sheets, packer.end()], cut


def _within_sheets(dataset: Dataset, capacity: int) -> Iterator[pa.RecordBatch]:
    """Yield batches that each belong to one sheet."""
    written = 0
    for batch in slices(dataset):
        start = 0
        while start < batch.num_rows:
            rows = min(batch.num_rows - start, capacity - written)
            yield batch.slice(start, rows)
            start += rows
            written = (written + rows) % capacity

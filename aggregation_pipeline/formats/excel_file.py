"""One workbook a table, as a colleague would make it: sheets `summary`, `detail` and `about`.

openpyxl makes everything but the rows: styles, headers, filters, widths, the about sheet. The rows, which is where it takes
its time, are put between its header and its closing tags while the workbook is packed.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import pyarrow as pa
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet
from openpyxl.xml.constants import ARC_CORE, DCTERMS_NS
from openpyxl.xml.functions import fromstring, tostring

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.batches import slices
from aggregation_pipeline.formats.excel_about import fill_about
from aggregation_pipeline.formats.excel_rows import CellKind, cell_kinds, row_pieces
from aggregation_pipeline.formats.excel_text import plain_cell_text
from aggregation_pipeline.formats.excel_widths import column_widths
from aggregation_pipeline.formats.files import FileFormat, RenderedFile, local_path, whole_file
from aggregation_pipeline.formats.text import rows_as_bytes

# Excel's 1,048,576 less the header.
SHEET_ROWS = 1_048_575
# Text of sheets packs to a tenth at any level; the first is four times as fast as the usual sixth.
_PACKING = 1
_MARK = b"</sheetData>"
# A sheet of 2 GiB of XML needs a wider zip header, which must be written before the size is known, and which some versions of Excel do
# not open. So it is done without, and once more with it in the rare case.
_NARROW_LIMIT = 2_000_000_000


@dataclass(frozen=True)
class _Part:
    """The rows of a dataset that one sheet holds. The parts of a dataset take turns at one stream, so that it is read once."""

    dataset: Dataset
    stream: Iterator[tuple[pa.RecordBatch, int]]
    kinds: tuple[CellKind, ...]
    styles: tuple[int, ...]
    rows: int
    is_last: bool


def render_excel(extract: Extract, directory: Path, options: FormatOptions) -> Iterator[RenderedFile]:
    """One file with all datasets."""
    name = f"{extract.table}.xlsx"
    path = local_path(directory, name)
    try:
        cut = _write(extract, path, options, wide_headers=False)
    except zipfile.LargeZipFile:
        cut = _write(extract, path, options, wide_headers=True)
    notes = {"excel_cells_cut": cut} if cut else {}
    rows = sum(dataset.rows for dataset in extract.datasets)
    yield RenderedFile(path, name, "excel", "all", rows, path.stat().st_size, EXCEL.media_type, notes)


def _write(extract: Extract, path: Path, options: FormatOptions, *, wide_headers: bool) -> int:
    """Returns how many cells were cut. LargeZipFile when a sheet needs the wide headers that were not allowed."""
    workbook = Workbook()
    workbook.properties.creator = "aggregation-pipeline"
    workbook.remove(workbook.active)
    parts = [part for dataset in extract.datasets for part in _add_sheets(workbook, dataset)]
    if options.excel.about:
        fill_about(workbook.create_sheet("about"), extract)
    with whole_file(path) as file:
        cut = _pack(workbook, parts, file, wide_headers=wide_headers)
        if cut and options.on_unrepresentable == "error":
            raise FormatError(
                f"{extract.table}: {cut} texts are longer than the 32,767 characters of a cell of Excel. Shorten them in the query "
                "(LEFT(column, 32767)), leave excel out of this table's formats, or set onUnrepresentable to replace, which cuts."
            )
    return cut


def _add_sheets(workbook: Workbook, dataset: Dataset) -> Iterator[_Part]:
    kinds = cell_kinds(dataset)
    widths = column_widths(dataset, kinds)
    stream = _numbered(dataset)
    for start in range(0, max(dataset.rows, 1), SHEET_ROWS):
        rows = min(SHEET_ROWS, dataset.rows - start)
        number = start // SHEET_ROWS + 1
        sheet = workbook.create_sheet(dataset.name if number == 1 else f"{dataset.name}_{number}")
        for column, (title, width) in enumerate(zip(dataset.schema.names, widths, strict=True), start=1):
            cell = sheet.cell(1, column)
            # openpyxl takes a text that begins with = for a formula unless told otherwise.
            cell.value, cell.data_type = plain_cell_text(title), "s"
            cell.font = Font(bold=True)
            sheet.column_dimensions[get_column_letter(column)].width = width
        sheet.freeze_panes = "A2"
        sheet.auto_filter.ref = _area(len(kinds), rows)
        yield _Part(dataset, stream, kinds, tuple(_style(sheet, kind) for kind in kinds), rows, start + rows == dataset.rows)


def _area(columns: int, rows: int) -> str:
    return f"A1:{get_column_letter(columns)}{rows + 1}"


def _style(sheet: Worksheet, kind: CellKind) -> int:
    """The workbook's number for the style, which openpyxl gives to the first cell that has it."""
    cell = WriteOnlyCell(sheet)
    cell.number_format = kind.number_format
    return int(cell.style_id)


def _pack(workbook: Workbook, parts: list[_Part], file: BinaryIO, *, wide_headers: bool) -> int:
    """Writes openpyxl's workbook with the rows put in and without its clock. Returns how many cells were cut."""
    frame = io.BytesIO()
    workbook.save(frame)
    cut = 0
    rows_of = {f"xl/worksheets/sheet{number}.xml": part for number, part in enumerate(parts, start=1)}
    with zipfile.ZipFile(frame) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_PACKING) as target:
        for name in source.namelist():
            part = rows_of.get(name)
            content = _timeless(source.read(name)) if name == ARC_CORE else source.read(name)
            # A name alone, rather than the frame's entry, is dated 1980 by zipfile: always the same.
            with target.open(name, "w", force_zip64=wide_headers and part is not None) as member:
                if part is None:
                    member.write(content)
                else:
                    area = _area(len(part.kinds), part.rows).encode()
                    before, after = re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="' + area + b'"', content, count=1).split(_MARK)
                    member.write(before)
                    cut += _write_rows(part, member, limit=None if wide_headers else _NARROW_LIMIT)
                    member.write(_MARK + after)
    return cut


def _timeless(properties: bytes) -> bytes:
    """The document's properties without the dates, which would differ between two files of the same data."""
    tree = fromstring(properties)
    for element in list(tree):
        if element.tag.startswith("{" + DCTERMS_NS + "}"):
            tree.remove(element)
    return bytes(tostring(tree))


def _write_rows(part: _Part, member: IO[bytes], *, limit: int | None) -> int:
    letters = tuple(get_column_letter(column) for column in range(1, len(part.kinds) + 1))
    cut = written = size = 0
    # The last part goes on to the stream's end, where the rows are compared with those promised.
    while part.is_last or written < part.rows:
        batch, number = next(part.stream, (None, 0))
        if batch is None:
            break
        pieces, count = row_pieces(batch, part.dataset.schema, part.kinds, letters, part.styles, number + 2)
        data = rows_as_bytes(pieces, null="")
        size += len(data)
        if limit is not None and size > limit:
            raise zipfile.LargeZipFile
        member.write(data)
        cut += count
        written += batch.num_rows
    return cut


def _numbered(dataset: Dataset) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Batches, none of which is of two sheets, each with the number of its first row in its sheet, from 0."""
    number = 0
    for batch in slices(dataset):
        start = 0
        while start < batch.num_rows:
            rows = min(batch.num_rows - start, SHEET_ROWS - number)
            yield batch.slice(start, rows), number
            start += rows
            number = (number + rows) % SHEET_ROWS


EXCEL = FileFormat("excel", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", render_excel, whole_table=True)

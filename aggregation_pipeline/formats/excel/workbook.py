"""One workbook a table, as a colleague would make it: sheets `summary`, `detail` and `about`.

openpyxl makes everything but the rows: styles, headers, filters, widths, the about sheet. It would be slow with the
rows, so they are made elsewhere (rows.py) and put into openpyxl's sheets while the workbook is packed.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, BinaryIO

import pyarrow as pa
from openpyxl.utils import get_column_letter
from openpyxl.workbook import Workbook
from openpyxl.xml.constants import ARC_CORE, DCTERMS_NS
from openpyxl.xml.functions import fromstring, tostring

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common.batches import slices
from aggregation_pipeline.formats.common.file_format import FileFormat, FileType
from aggregation_pipeline.formats.common.text_bytes import rows_as_bytes
from aggregation_pipeline.formats.excel.about import fill_about
from aggregation_pipeline.formats.excel.labels import WORDS
from aggregation_pipeline.formats.excel.rows import row_pieces
from aggregation_pipeline.formats.excel.sheets import SheetPart, add_sheets, area, print_by_width, sheet_capacity

# The XML of sheets packs to a tenth at any level; level 1 is four times as fast as the usual 6.
_COMPRESSION_LEVEL = 1
# Ends the row of titles. What openpyxl wrote behind it are the totals.
_ROW_END = b"</row>"
# A sheet of 2 GiB of XML needs the wide (ZIP64) header. It must be written before the size is known, and some versions
# of Excel do not open it. So it is tried without, and once more with it in the rare case.
_NARROW_LIMIT = 2_000_000_000

_NumberedBatches = Iterator[tuple[pa.RecordBatch, int]]


def write_excel(
    extract: Extract, datasets: Sequence[Dataset], file: BinaryIO, options: FormatOptions
) -> Mapping[str, int]:
    """Write one workbook with all datasets; return how many cells were cut.

    Raises:
        FormatError: a text is longer than a cell may be, and `onUnrepresentable` is error.
    """
    try:
        cut = _write(extract, datasets, file, options, wide_headers=False)
    except zipfile.LargeZipFile:
        file.seek(0)
        file.truncate()
        cut = _write(extract, datasets, file, options, wide_headers=True)
    return {"excel_cells_cut": cut} if cut else {}


def _write(
    extract: Extract, datasets: Sequence[Dataset], file: BinaryIO, options: FormatOptions, *, wide_headers: bool
) -> int:
    """Return how many cells were cut. LargeZipFile when a sheet needs the wide headers that were not allowed."""
    workbook = Workbook()
    workbook.properties.creator = "aggregation-pipeline"
    workbook.remove(workbook.active)
    parts: list[tuple[SheetPart, _NumberedBatches]] = []
    for dataset in datasets:
        # All sheets of a dataset take their rows from one stream, so that it is read once.
        stream = _numbered(dataset, sheet_capacity(options.excel))
        parts += [(part, stream) for part in add_sheets(workbook, dataset, options.excel)]
    if options.excel.about:
        words = WORDS[options.excel.language]
        about = workbook.create_sheet(words.about)
        fill_about(about, extract, words)
        print_by_width(about)
    cut = _pack(workbook, parts, file, wide_headers=wide_headers)
    if cut and options.on_unrepresentable == "error":
        raise FormatError(
            f"{extract.table}: {cut} texts are longer than the 32,767 characters of a cell of Excel. Shorten them in"
            " the query (LEFT(column, 32767)), leave excel out of this table's formats, or set onUnrepresentable to"
            " replace, which cuts."
        )
    return cut


def _pack(
    workbook: Workbook, parts: Sequence[tuple[SheetPart, _NumberedBatches]], file: BinaryIO, *, wide_headers: bool
) -> int:
    """Write openpyxl's workbook with the rows put in and without its clock. Return how many cells were cut."""
    frame = io.BytesIO()
    workbook.save(frame)
    cut = 0
    rows_of = {f"xl/worksheets/sheet{number}.xml": part for number, part in enumerate(parts, start=1)}
    with (
        zipfile.ZipFile(frame) as source,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL) as target,
    ):
        for name in source.namelist():
            content = _without_dates(source.read(name)) if name == ARC_CORE else source.read(name)
            # zipfile dates a member 1980 when it is given by name alone: the same each time.
            with target.open(name, "w", force_zip64=wide_headers and name in rows_of) as member:
                if name not in rows_of:
                    member.write(content)
                    continue
                part, stream = rows_of[name]
                covered = area(len(part.kinds), part.height).encode()
                content = re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="' + covered + b'"', content, count=1)
                before, mark, after = content.partition(_ROW_END)
                member.write(before + mark)
                cut += _write_rows(part, stream, member, limit=None if wide_headers else _NARROW_LIMIT)
                member.write(after)
    return cut


def _without_dates(properties: bytes) -> bytes:
    """Return the document's properties without dates, which would differ between two files of the same data."""
    tree = fromstring(properties)
    for element in list(tree):
        if element.tag.startswith("{" + DCTERMS_NS + "}"):
            tree.remove(element)
    return bytes(tostring(tree))


def _write_rows(part: SheetPart, stream: _NumberedBatches, member: IO[bytes], *, limit: int | None) -> int:
    letters = tuple(get_column_letter(column) for column in range(1, len(part.kinds) + 1))
    cut = written = size = 0
    # The last sheet reads to the end of the stream: only there the rows are compared with those promised.
    while part.is_last or written < part.rows:
        batch, number = next(stream, (None, 0))
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


def _numbered(dataset: Dataset, capacity: int) -> _NumberedBatches:
    """Yield batches that each belong to one sheet, with the number of their first row in it, from 0."""
    number = 0
    for batch in slices(dataset):
        start = 0
        while start < batch.num_rows:
            rows = min(batch.num_rows - start, capacity - number)
            yield batch.slice(start, rows), number
            start += rows
            number = (number + rows) % capacity


_WORKBOOK = FileType(
    ".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", one_file_per_dataset=False
)
EXCEL = FileFormat("excel", "excel", (_WORKBOOK,), write_excel)

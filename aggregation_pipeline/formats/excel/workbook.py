"""One workbook a table, as a colleague would make it: sheets `summary`, `detail` and `about`.

openpyxl makes everything but the rows: styles, headers, filters, widths, the about sheet. The rows, which is where it
takes its time, are put between its header and its closing tags while the workbook is packed.
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
from aggregation_pipeline.formats.common.column_text import rows_as_bytes
from aggregation_pipeline.formats.common.file_format import FileFormat, FileKind
from aggregation_pipeline.formats.excel.about import fill_about
from aggregation_pipeline.formats.excel.labels import WORDS
from aggregation_pipeline.formats.excel.rows import row_pieces
from aggregation_pipeline.formats.excel.sheets import Part, add_sheets, area, print_by_width, sheet_capacity

# Text of sheets packs to a tenth at any level; the first is four times as fast as the usual sixth.
_PACKING = 1
# Where the titles' row ends: what openpyxl wrote behind it are the totals.
_MARK = b"</row>"
# A sheet of 2 GiB of XML needs a wider zip header, which must be written before the size is known, and which some
# versions of Excel do not open. So it is done without, and once more with it in the rare case.
_NARROW_LIMIT = 2_000_000_000

_Stream = Iterator[tuple[pa.RecordBatch, int]]


def write_excel(
    extract: Extract, datasets: Sequence[Dataset], file: BinaryIO, options: FormatOptions
) -> Mapping[str, int]:
    """Write one workbook with all datasets; returns how many cells were cut."""
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
    """Returns how many cells were cut. LargeZipFile when a sheet needs the wide headers that were not allowed."""
    workbook = Workbook()
    workbook.properties.creator = "aggregation-pipeline"
    workbook.remove(workbook.active)
    parts: list[tuple[Part, _Stream]] = []
    for dataset in datasets:
        # The parts of a dataset take turns at one stream, so that it is read once.
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


def _pack(workbook: Workbook, parts: Sequence[tuple[Part, _Stream]], file: BinaryIO, *, wide_headers: bool) -> int:
    """Writes openpyxl's workbook with the rows put in and without its clock. Returns how many cells were cut."""
    frame = io.BytesIO()
    workbook.save(frame)
    cut = 0
    rows_of = {f"xl/worksheets/sheet{number}.xml": part for number, part in enumerate(parts, start=1)}
    with (
        zipfile.ZipFile(frame) as source,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_PACKING) as target,
    ):
        for name in source.namelist():
            content = _timeless(source.read(name)) if name == ARC_CORE else source.read(name)
            # A name alone, rather than the frame's entry, is dated 1980 by zipfile: always the same.
            with target.open(name, "w", force_zip64=wide_headers and name in rows_of) as member:
                if name not in rows_of:
                    member.write(content)
                    continue
                part, stream = rows_of[name]
                covered = area(len(part.kinds), part.height).encode()
                content = re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="' + covered + b'"', content, count=1)
                before, mark, after = content.partition(_MARK)
                member.write(before + mark)
                cut += _write_rows(part, stream, member, limit=None if wide_headers else _NARROW_LIMIT)
                member.write(after)
    return cut


def _timeless(properties: bytes) -> bytes:
    """The document's properties without the dates, which would differ between two files of the same data."""
    tree = fromstring(properties)
    for element in list(tree):
        if element.tag.startswith("{" + DCTERMS_NS + "}"):
            tree.remove(element)
    return bytes(tostring(tree))


def _write_rows(part: Part, stream: _Stream, member: IO[bytes], *, limit: int | None) -> int:
    letters = tuple(get_column_letter(column) for column in range(1, len(part.kinds) + 1))
    cut = written = size = 0
    # The last part goes on to the stream's end, where the rows are compared with those promised.
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


def _numbered(dataset: Dataset, capacity: int) -> _Stream:
    """Batches, none of which is of two sheets, each with the number of its first row in its sheet, from 0."""
    number = 0
    for batch in slices(dataset):
        start = 0
        while start < batch.num_rows:
            rows = min(batch.num_rows - start, capacity - number)
            yield batch.slice(start, rows), number
            start += rows
            number = (number + rows) % capacity


EXCEL = FileFormat(
    "excel",
    lambda _: FileKind("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", whole_table=True),
    write_excel,
)

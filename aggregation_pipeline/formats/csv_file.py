"""CSV as RFC 4180 has it: CRLF, a header, text in quotes. One file a dataset.

Text and only text is quoted, so NULL (nothing) and the empty text ("") differ, as PostgreSQL's COPY and MySQL's own dumps tell them
apart; numbers keep all digits, dates look as MySQL writes them, bytes are 0x00FF.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.config.options import CsvOptions, FormatOptions
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.batches import slices
from aggregation_pipeline.formats.files import FileFormat, RenderedFile, local_path, whole_file
from aggregation_pipeline.formats.text import escaper, hex_text, is_clock_text, plain_text, rows_as_bytes

_double_quotes = escaper({'"': '""'})
# What a spreadsheet runs when it opens the file. A sign before nothing but digits is a number or a dash, which harms nobody.
_FORMULA = r"^(?:[=@\t\r]|[+-][0-9.]*[^0-9.])"


def render_csv(extract: Extract, directory: Path, options: FormatOptions) -> Iterator[RenderedFile]:
    """One file a dataset."""
    for dataset in extract.datasets:
        name = f"{extract.table}.{dataset.name}.csv"
        path = local_path(directory, name)
        with whole_file(path) as file:
            escaped = _write(dataset, file, options.csv)
        notes = {"csv_formulas_escaped": escaped} if escaped else {}
        yield RenderedFile(path, name, "csv", dataset.name, dataset.rows, path.stat().st_size, CSV.media_type, notes)


def _write(dataset: Dataset, file: BinaryIO, options: CsvOptions) -> int:
    """Returns how many texts were escaped."""
    encoding = None if options.encoding.startswith("utf-8") else options.encoding
    # A line with nothing on it is no row to most readers.
    null = "NULL" if not options.null and len(dataset.schema) == 1 else options.null
    if options.encoding == "utf-8-sig":
        file.write(codecs.BOM_UTF8)
    names, escaped = _quoted(pa.array(dataset.schema.names, pa.string()), escape_formulas=options.escape_formulas)
    file.write((options.delimiter.join(names.to_pylist()) + "\r\n").encode(encoding or "utf-8"))
    for batch in slices(dataset):
        pieces: list[pa.Array | str] = []
        for column, field in zip(batch.columns, dataset.schema, strict=True):
            text, count = csv_column(column, field, options)
            escaped += count
            pieces += [text, options.delimiter]
        pieces[-1] = "\r\n"
        data = rows_as_bytes(pieces, null=null)
        file.write(data if encoding is None else data.decode().encode(encoding))
    return escaped


def csv_column(column: pa.Array, field: pa.Field, options: CsvOptions) -> tuple[pa.Array, int]:
    """Values as fields of the file, and how many were escaped; NULL stays NULL until rows are joined."""
    if pa.types.is_binary(field.type):
        return hex_text(column), 0
    if pa.types.is_string(field.type) and not is_clock_text(field):
        return _quoted(column, escape_formulas=options.escape_formulas)
    return plain_text(column, field), 0


def _quoted(text: pa.Array, *, escape_formulas: bool) -> tuple[pa.Array, int]:
    count = 0
    if escape_formulas:
        formulas = pc.match_substring_regex(text, _FORMULA)
        count = pc.sum(formulas).as_py() or 0
        if count:
            text = pc.if_else(formulas, pc.binary_join_element_wise("'", text, ""), text)
    return pc.binary_join_element_wise('"', _double_quotes(text), '"', ""), count


CSV = FileFormat("csv", "csv", "text/csv", render_csv, whole_table=False)

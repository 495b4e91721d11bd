"""CSV by RFC 4180: CRLF, a header, text in quotes. One file a dataset.

Only text is quoted, so NULL (nothing) and the empty text ("") differ, as in PostgreSQL's COPY and in MySQL's dumps.
Numbers keep all digits, dates look as MySQL writes them, bytes are 0x00FF.
"""

import codecs
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.config.options import CsvOptions, FormatOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common import gb18030
from aggregation_pipeline.formats.common.batches import slices
from aggregation_pipeline.formats.common.column_text import plain_text
from aggregation_pipeline.formats.common.field_metadata import is_temporal_text
from aggregation_pipeline.formats.common.file_format import FileFormat, FileType
from aggregation_pipeline.formats.common.text_bytes import escaper, hex_text, rows_as_bytes

_double_quotes = escaper({'"': '""'})
# A spreadsheet runs text that begins with one of these signs, those of East Asian keyboards included ...
_FORMULA = r"^'*[=@+\-\t\r\n＝＠＋－]"
# ... except a lone dash, and numbers: digits with the marks that numbers have in any country, an exponent, one percent
# sign.
_HARMLESS = r"^'*[+-](?:[.,]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?%?)?\z"


def write_csv(
    extract: Extract, datasets: Sequence[Dataset], file: BinaryIO, options: FormatOptions
) -> Mapping[str, int]:
    """Write the one dataset of a file; return how many texts were escaped and how many characters replaced.

    Raises:
        FormatError: GB18030 lacks a character, and `onUnrepresentable` is error.
    """
    (dataset,) = datasets
    encode = gb18030.Encoder() if options.csv.encoding == "gb18030" else None
    escaped = _write(dataset, file, options.csv, encode)
    replaced = encode.replaced if encode else 0
    if replaced and options.on_unrepresentable == "error":
        raise FormatError(
            f"{extract.table}: {dataset.name}: {replaced} characters of private use (such as U+E816) have no bytes in"
            " GB18030 that iconv and browsers read alike. Set csv.encoding to utf-8-sig, leave the text out of the"
            " query, or set onUnrepresentable to replace, which writes the characters that have taken their places."
        )
    return {
        name: count
        for name, count in (("csv_formulas_escaped", escaped), ("csv_characters_replaced", replaced))
        if count
    }


def _write(dataset: Dataset, file: BinaryIO, options: CsvOptions, encode: gb18030.Encoder | None) -> int:
    """Write header and rows; return how many texts were escaped."""
    # Most readers take an empty line for no row.
    null = "NULL" if not options.null and len(dataset.schema) == 1 else options.null
    if options.encoding == "utf-8-sig":
        file.write(codecs.BOM_UTF8)
    names, escaped = _quoted(pa.array(dataset.schema.names, pa.string()), escape_formulas=options.escape_formulas)
    header = (options.delimiter.join(names.to_pylist()) + "\r\n").encode()
    file.write(encode(header) if encode else header)
    for batch in slices(dataset):
        pieces: list[pa.Array | str] = []
        for column, field in zip(batch.columns, dataset.schema, strict=True):
            text, count = csv_column(column, field, options)
            escaped += count
            pieces += [text, options.delimiter]
        pieces[-1] = "\r\n"
        data = rows_as_bytes(pieces, null=null)
        file.write(encode(data) if encode else data)
    return escaped


def csv_column(column: pa.Array, field: pa.Field, options: CsvOptions) -> tuple[pa.Array, int]:
    """Return values as fields of the file, and how many were escaped; NULL stays NULL until rows are joined."""
    if pa.types.is_binary(field.type):
        return hex_text(column), 0
    if pa.types.is_string(field.type) and not is_temporal_text(field):
        return _quoted(column, escape_formulas=options.escape_formulas)
    return plain_text(column, field), 0


def _quoted(text: pa.Array, *, escape_formulas: bool) -> tuple[pa.Array, int]:
    count = 0
    if escape_formulas:
        # A text that looks escaped is escaped once more. Otherwise =1 and '=1 would look the same afterwards.
        formulas = pc.match_substring_regex(text, _FORMULA)
        if pc.any(formulas).as_py():
            formulas = pc.and_not(formulas, pc.match_substring_regex(text, _HARMLESS))
            count = pc.sum(formulas).as_py() or 0
            text = pc.if_else(formulas, pc.binary_join_element_wise("'", text, ""), text)
    return pc.binary_join_element_wise('"', _double_quotes(text), '"', ""), count


CSV = FileFormat("csv", "csv", (FileType(".csv", "text/csv", one_file_per_dataset=True),), write_csv)

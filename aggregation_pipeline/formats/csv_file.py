"""CSV by RFC 4180: CRLF, a header, text in quotes. One file a dataset.

Only text is quoted, so NULL (nothing) and the empty text ("") differ, as in PostgreSQL's COPY and in MySQL's dumps.
Numbers keep all digits, dates look as MySQL writes them, bytes are 0x00FF.
"""

import codecs
from collections.abc import Generator, Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.config.options import CsvOptions, FormatOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common import gb18030
from aggregation_pipeline.formats.common.batches import slices
from aggregation_pipeline.formats.common.field_metadata import is_temporal_text
from aggregation_pipeline.formats.common.file_format import Writing
from aggregation_pipeline.formats.common.rows import Escaped, Piece, plain_part, row_chunks, rows_as_bytes
from aggregation_pipeline.formats.common.text_bytes import Escapes, first_bytes, hex_text

_DOUBLE_QUOTES = Escapes({'"': '""'})
# A spreadsheet runs text that begins with one of these signs, those of East Asian keyboards included ...
_FORMULA = r"^'*[=@+\-\t\r\n＝＠＋－]"
# ... except a lone dash, and numbers: digits with the marks that numbers have in any country, an exponent, one percent
# sign.
_HARMLESS = r"^'*[+-](?:[.,]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?%?)?\z"
# The bytes that such texts begin with; 0xEF begins the wide signs.
_FORMULA_BYTES = np.isin(np.arange(256), list(b"'=@+-\t\r\n\xef"))


def write_csv(extract: Extract, datasets: Sequence[Dataset], file: BinaryIO, options: FormatOptions) -> Writing:
    """Write the one dataset of a file; return how many texts were escaped and how many characters replaced.

    Raises:
        FormatError: GB18030 lacks a character, and `onUnrepresentable` is error.
    """
    (dataset,) = datasets
    encode = gb18030.Encoder() if options.csv.encoding == "gb18030" else None
    escaped = yield from _write(dataset, file, options.csv, encode)
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


def _write(
    dataset: Dataset, file: BinaryIO, options: CsvOptions, encode: gb18030.Encoder | None
) -> Generator[None, None, int]:
    """Write header and rows; return how many texts were escaped."""
    # Most readers take an empty line for no row.
    null = "NULL" if not options.null and len(dataset.schema) == 1 else options.null
    if options.encoding == "utf-8-sig":
        file.write(codecs.BOM_UTF8)
    names, escaped = _quoted(pa.array(dataset.schema.names, pa.string()), escape_formulas=options.escape_formulas)
    header = rows_as_bytes([names, options.delimiter], null="").removesuffix(options.delimiter.encode()) + b"\r\n"
    file.write(encode(header) if encode else header)
    for batch in slices(dataset):
        yield
        pieces: list[Piece] = []
        for column, field in zip(batch.columns, dataset.schema, strict=True):
            piece, count = csv_column(column, field, options)
            escaped += count
            pieces += [piece, options.delimiter]
        pieces[-1] = "\r\n"
        chunks = row_chunks(pieces, null=null)
        file.writelines(map(encode, chunks) if encode else chunks)
    return escaped


def csv_column(column: pa.Array, field: pa.Field, options: CsvOptions) -> tuple[Piece, int]:
    """Return values as fields of the file, and how many were escaped; NULL stays NULL until rows are joined."""
    if pa.types.is_binary(field.type):
        return hex_text(column), 0
    if pa.types.is_string(field.type) and not is_temporal_text(field):
        return _quoted(column, escape_formulas=options.escape_formulas)
    return plain_part(column, field), 0


def _quoted(text: pa.Array, *, escape_formulas: bool) -> tuple[Piece, int]:
    quoted = Escaped(text, _DOUBLE_QUOTES)
    formulas = _formulas(text) if escape_formulas else ()
    if not len(formulas):
        return ('"', quoted, '"'), 0
    # A text that looks escaped is escaped once more. Otherwise =1 and '=1 would look the same afterwards.
    signs = np.zeros(len(text), bool)
    signs[formulas] = True
    return ('"', pc.if_else(pa.array(signs), "'", ""), quoted, '"'), len(formulas)


def _formulas(text: pa.Array) -> npt.NDArray[np.int64]:
    """Return the rows of the texts that a spreadsheet would run."""
    rows: npt.NDArray[np.int64] = np.flatnonzero(_FORMULA_BYTES.take(first_bytes(text)))
    if not len(rows):
        return rows
    candidates = text.take(pa.array(rows))
    found = pc.and_not(pc.match_substring_regex(candidates, _FORMULA), pc.match_substring_regex(candidates, _HARMLESS))
    formulas: npt.NDArray[np.int64] = rows[np.asarray(pc.fill_null(found, fill_value=False))]
    return formulas

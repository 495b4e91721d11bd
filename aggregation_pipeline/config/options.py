"""How values are written where a format has a choice: for the project or for one table.

Each default is the safe side of a real trap: Excel that reads a CSV in the wrong encoding, JavaScript that rounds a
19-digit id. The other values are for consumers that are known not to fall into it.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.file_names import DEFAULT_TEMPLATE, checked_template
from aggregation_pipeline.config.one_or_more import ONE_OR_MORE

# These occur in numbers, in dates and times, or in line ends; as a delimiter they would make the file ambiguous.
_BAD_DELIMITERS: Final = frozenset('"\r\n.-+: 0123456789')


class CsvOptions(ConfigModel):
    """`csv:` RFC 4180 with CRLF line ends; text is always quoted, numbers and dates never are."""

    encoding: Literal["utf-8-sig", "utf-8", "gb18030"] = "utf-8-sig"
    """utf-8-sig opens correctly in Excel by a double click. utf-8 suits programs. gb18030 suits older Chinese software;
    it is written as iconv and browsers read it.
    """
    null: Annotated[str, Field(max_length=16)] = ""
    """What stands for NULL, never quoted. Default: empty. That differs from the empty text, which is "".
    """
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """One ASCII character between fields."""
    escape_formulas: bool = True
    """Put ' before text that a spreadsheet would run as a formula, and one more where it begins with ' already, so that
    readers can take it away again (docs/files.md). Numbers are never touched; escapes are counted.
    """

    @field_validator("delimiter")
    @classmethod
    def _delimiter_is_unambiguous(cls, value: str) -> str:
        printable = value.isprintable() or value == "\t"
        if not value.isascii() or value in _BAD_DELIMITERS or not printable or value.isalpha():
            raise ValueError(
                f"delimiter must be one of , ; | or a tab (or another mark that no number or date holds), not {value!r}"
            )
        return value

    @model_validator(mode="after")
    def _null_needs_no_quotes(self) -> Self:
        if any(c in ('"', self.delimiter) or c.isdigit() or not c.isprintable() for c in self.null):
            raise ValueError(
                "null is written without quotes, so it cannot hold a quote, the delimiter, a digit or a line end:"
                f" {self.null!r}"
            )
        return self


class JsonOptions(ConfigModel):
    """`json:` the document's shape, and what to do where a JavaScript reader would lose digits to its 64-bit floats."""

    shape: Literal["object", "array", "lines"] = "object"
    """object: one file with both datasets, {"table", "window", "summary": [...], "detail": [...]}. array: one file a
    dataset, an array of its rows. lines: one file a dataset, ending in .jsonl, a row a line (NDJSON).
    """
    big_integers: Literal["string", "number"] = "string"
    """string: an integer column with a value beyond 2^53-1 in this file is written as strings, the whole column, so
    that a column has one JSON type; every other integer column is numbers. number: always numbers.
    """
    decimals: Literal["string", "number"] = "string"
    """string: DECIMAL as "10.50", all digits kept, as MySQL drivers give it. number: 10.50, for readers that keep them.
    """
    datetimes: Literal["iso", "mysql"] = "iso"
    """iso: 2026-11-20T14:00:00, a TIMESTAMP with its offset. mysql: 2026-11-20 14:00:00 for both."""


class ExcelOptions(ConfigModel):
    """`excel:` one workbook a table."""

    about: bool = True
    """The sheet that names table, window, SQL and row counts."""
    language: Literal["en", "zh"] = "en"
    """Of the workbook's own words: the names of its sheets, the sheet about, the word Total."""
    labels: Literal["name", "comment"] = "name"
    """The heading of a column. name: its name. comment: the COMMENT of the table's column, if it has one; expressions
    and columns with an alias keep their names. Equal headings have the names behind them.
    """
    thousands: bool = True
    """Show what may be money, DECIMAL with 1 to 4 decimals, as 1,234,567.80. Whole numbers may be ids or years and are
    never shown so. The cells hold the same numbers either way.
    """
    totals: Annotated[bool | tuple[str, ...], ONE_OR_MORE] = False
    """A row of totals below the rows, separated by an empty row and outside the filter; its formulas follow the filter.
    true: of SUM and COUNT in the summary. A list of column names: of these columns, in the summary and the detail rows,
    if they hold numbers. Other columns of the detail rows get none, since a sum of unit prices means nothing.
    """


class ParquetOptions(ConfigModel):
    """`parquet:` one file a dataset, with the database's types."""

    compression: Literal["zstd", "snappy"] = "zstd"
    """zstd is smaller; snappy is for readers from before 2020."""
    wide_decimals: Literal["text", "decimal"] = "text"
    """A DECIMAL column with a value of more than 38 digits. text: written as text with all its digits, and counted,
    because many readers refuse the whole file for such a column (Polars) or round it (DuckDB). decimal: kept.
    """


class FormatOptions(ConfigModel):
    """`options:` everything that shapes the files of a project, a table or a format."""

    csv: CsvOptions = CsvOptions()
    json_: Annotated[JsonOptions, Field(alias="json")] = JsonOptions()
    excel: ExcelOptions = ExcelOptions()
    parquet: ParquetOptions = ParquetOptions()
    file_names: Annotated[str, AfterValidator(checked_template)] = DEFAULT_TEMPLATE
    """The names of files, without the ending, which each format adds. Placeholders: {table}; {dataset}, summary or
    detail; {window}, 2026-11-20; {date}, 20261120; {format}. In a file that holds both datasets {dataset} is left out,
    with the marks before it and brackets around it.
    """
    zero_dates: Literal["null", "error", "text"] = "null"
    """0000-00-00, 2026-02-30, year 0 and other days that no calendar has. null: written as NULL and counted; checks see
    NULL too. error: the table fails. text: columns of dates are written as the server's text.
    """
    on_unrepresentable: Literal["error", "replace"] = "replace"
    """A value that a format cannot hold: text over 32,767 characters in a cell of Excel, and 25 private-use characters
    in a CSV in gb18030. replace: the text is cut, or another character written, and counted in the metadata. error: the
    file is not written and the table fails.
    """

    @field_validator("zero_dates", mode="before")
    @classmethod
    def _null_is_a_word_here(cls, value: object) -> object:
        return "null" if value is None else value

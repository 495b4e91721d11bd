"""How values are written, where a format cannot simply take them: per project or table, with defaults that lose
nothing.

Each default is the safe side of a real trap (Excel reading a CSV in the wrong encoding, JavaScript rounding a 19-digit
id); each other value is there for a consumer that is known not to fall into it.
"""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from aggregation_pipeline.config.file_names import DEFAULT_TEMPLATE, checked_template

# A delimiter that can occur in a number, a date and time or a line end would make the file ambiguous, whatever is
# quoted.
_BAD_DELIMITERS = frozenset('"\r\n.-+: ') | frozenset("0123456789")


class OptionsModel(BaseModel):
    """Frozen, strict about unknown keys, and fine with camelCase, as the whole of aggregation.yaml is."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


Options = TypeVar("Options", bound=OptionsModel)


def merged(base: Options, override: Options) -> Options:
    """`base` with those keys that `override` was given, at any depth.

    Raises:
        pydantic.ValidationError: the two do not go together, as a `null` of one that holds the `delimiter` of the
        other.
    """
    values = {name: getattr(base, name) for name in type(base).model_fields}
    for name in override.model_fields_set:
        value = getattr(override, name)
        values[name] = merged(values[name], value) if isinstance(value, OptionsModel) else value
    return type(base).model_validate(values)


class CsvOptions(OptionsModel):
    """`csv:` RFC 4180 with CRLF line ends; text is always quoted, numbers and dates never are."""

    encoding: Annotated[
        Literal["utf-8-sig", "utf-8", "gb18030"],
        Field(
            description=(
                "utf-8-sig opens right in Excel by a double click; utf-8 suits programs; gb18030 suits older "
                "Chinese software, and is written as iconv and browsers read it."
            )
        ),
    ] = "utf-8-sig"
    null: Annotated[
        str,
        Field(
            max_length=16,
            description=(
                'What stands for NULL, never quoted. Empty by default, which differs from the empty text: that is "".'
            ),
        ),
    ] = ""
    delimiter: Annotated[str, Field(min_length=1, max_length=1, description="One ASCII character between fields.")] = (
        ","
    )
    escape_formulas: Annotated[
        bool,
        Field(
            description=(
                "Put ' before text that a spreadsheet would run as a formula, and one more where it begins with '"
                " already, so that readers can take it away again (docs/files.md). Numbers are never touched; escapes"
                " are counted."
            )
        ),
    ] = True

    @field_validator("delimiter")
    @classmethod
    def _delimiter_is_unambiguous(cls, value: str) -> str:
        if (
            not value.isascii()
            or value in _BAD_DELIMITERS
            or (not value.isprintable() and value != "\t")
            or value.isalpha()
        ):
            raise ValueError(
                f"delimiter must be one of , ; | or a tab (or another mark that no number or date holds), not {value!r}"
            )
        return value

    @model_validator(mode="after")
    def _null_is_one_bare_word(self) -> Self:
        if any(c in ('"', self.delimiter) or c.isdigit() or not c.isprintable() for c in self.null):
            raise ValueError(
                "null is written without quotes, so it cannot hold a quote, the delimiter, a digit or a line end:"
                f" {self.null!r}"
            )
        return self


class JsonOptions(OptionsModel):
    """`json:` the document's shape, and what to do where a JavaScript reader, which has only 64-bit floats, would lose
    digits.
    """

    shape: Annotated[
        Literal["object", "array", "lines"],
        Field(
            description=(
                'object: one file with both datasets, {"table", "window", "summary": [...], "detail": [...]}. array:'
                " one file a dataset, an array of its rows. lines: one file a dataset, ending in .jsonl, a row a line"
                " (NDJSON)."
            )
        ),
    ] = "object"
    big_integers: Annotated[
        Literal["string", "number"],
        Field(
            description=(
                "string: an integer column with a value beyond 2^53-1 in this file is written as strings, all of it, so"
                " that a column has one JSON type; every other integer column is numbers. number: always numbers."
            )
        ),
    ] = "string"
    decimals: Annotated[
        Literal["string", "number"],
        Field(
            description=(
                'string: DECIMAL as "10.50", all digits kept, as MySQL drivers give it. number: 10.50, for readers that'
                " keep them."
            )
        ),
    ] = "string"
    datetimes: Annotated[
        Literal["iso", "mysql"],
        Field(
            description="iso: 2026-11-20T14:00:00, a TIMESTAMP with its offset. mysql: 2026-11-20 14:00:00 for both."
        ),
    ] = "iso"


def _listed(columns: Any) -> Any:  # noqa: ANN401  # whatever the YAML holds
    return (columns,) if isinstance(columns, str) else columns


class ExcelOptions(OptionsModel):
    """`excel:` one workbook a table."""

    about: Annotated[bool, Field(description="The sheet that names table, window, SQL and row counts.")] = True
    language: Annotated[
        Literal["en", "zh"],
        Field(description="Of what the workbook itself says: the sheets' names, the sheet about, the word Total."),
    ] = "en"
    labels: Annotated[
        Literal["name", "comment"],
        Field(
            description=(
                "What heads a column. name: its name. comment: the COMMENT of the table's column that it shows, where"
                " there is one; what an expression makes keeps its name, and so does what has an alias. Equal labels"
                " have the names behind them."
            )
        ),
    ] = "name"
    thousands: Annotated[
        bool,
        Field(
            description=(
                "Show what may be money, DECIMAL with 1 to 4 decimals, as 1,234,567.80. Whole numbers, which may "
                "be ids or years, are never shown so. The cells hold the same numbers either way."
            )
        ),
    ] = True
    totals: Annotated[
        bool | tuple[str, ...],
        BeforeValidator(_listed),
        Field(
            description=(
                "A row of totals below the rows, parted from them by an empty one and outside the filter; its formulas"
                " follow the filter. true: of SUM and COUNT in the summary. A list of column names: of these, wherever"
                " they hold numbers; in the detail rows of no others, since a sum of unit prices means nothing."
            )
        ),
    ] = False


class ParquetOptions(OptionsModel):
    """`parquet:` one file a dataset, with the database's types."""

    compression: Annotated[
        Literal["zstd", "snappy"],
        Field(description="zstd is the smaller; snappy is for readers from before 2020."),
    ] = "zstd"
    wide_decimals: Annotated[
        Literal["text", "decimal"],
        Field(
            description=(
                "A DECIMAL column with a value of more than 38 digits. text: written as text with all its digits,"
                " counted, because many readers refuse the whole file for such a column (Polars) or round it (DuckDB)."
                " decimal: kept."
            )
        ),
    ] = "text"


class FormatOptions(OptionsModel):
    """`options:` everything that shapes the files of a project, a table or a format."""

    csv: CsvOptions = CsvOptions()
    json_: Annotated[JsonOptions, Field(alias="json")] = JsonOptions()
    excel: ExcelOptions = ExcelOptions()
    parquet: ParquetOptions = ParquetOptions()
    file_names: Annotated[
        str,
        AfterValidator(checked_template),
        Field(
            description=(
                "What files are called, without the ending, which each format adds. Placeholders: {table}; {dataset},"
                " summary or detail; {window}, 2026-11-20; {date}, 20261120; {format}. In a file that holds both"
                " datasets {dataset} falls away, with the marks before it and brackets around it."
            )
        ),
    ] = DEFAULT_TEMPLATE
    zero_dates: Annotated[
        Literal["null", "error", "text"],
        Field(
            description=(
                "0000-00-00, 2026-02-30, year 0 and other days that no calendar has. null: written as NULL and counted,"
                " and NULL to the checks too. error: the table fails. text: columns of dates stay the server's text."
            )
        ),
    ] = "null"
    on_unrepresentable: Annotated[
        Literal["error", "replace"],
        Field(
            description=(
                "A value that a format cannot hold: text over 32,767 characters in a cell of Excel, and 25 characters"
                " of private use in a CSV in gb18030. replace: cut to what fits, or another character instead, counted"
                " in the metadata. error: the file is not written and the table fails."
            )
        ),
    ] = "replace"

    @field_validator("zero_dates", mode="before")
    @classmethod
    def _null_is_a_word_here(cls, value: object) -> object:
        return "null" if value is None else value

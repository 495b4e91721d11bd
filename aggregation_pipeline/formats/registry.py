"""The formats. Record batches go in, finished files come out.

    render("csv", extract, directory, options) -> (RenderedFile, ...)

Every format streams the extract in slices, so memory does not grow with rows. It writes no clock and no run id, so the
same data gives the same bytes. It changes no value without counting it in `RenderedFile.notes`. docs/types.md shows
what becomes of each MySQL type; types_page.py writes its table.

A new format is a module like csv_file.py, registered below. The module is imported with the first file that it writes:
whoever only describes the files of a table needs no library that makes them. The names and endings that users may write
are in config/format_names.py; a test compares the two.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from aggregation_pipeline.config.format_names import PARQUET_MEDIA_TYPE
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.formats.common.file_format import ALL, FileFormat, FileType, RenderedFile, Writing

if TYPE_CHECKING:
    from aggregation_pipeline.extract import Dataset, Extract

__all__ = ["FORMATS", "FileFormat", "RenderedFile", "render", "render_in_steps"]


def _write_json(extract: "Extract", datasets: "Sequence[Dataset]", file: BinaryIO, options: FormatOptions) -> Writing:
    from aggregation_pipeline.formats.json_file import write_json

    return write_json(extract, datasets, file, options)


def _write_csv(extract: "Extract", datasets: "Sequence[Dataset]", file: BinaryIO, options: FormatOptions) -> Writing:
    from aggregation_pipeline.formats.csv_file import write_csv

    return write_csv(extract, datasets, file, options)


def _write_excel(extract: "Extract", datasets: "Sequence[Dataset]", file: BinaryIO, options: FormatOptions) -> Writing:
    from aggregation_pipeline.formats.excel.workbook import write_excel

    return write_excel(extract, datasets, file, options)


def _write_parquet(
    extract: "Extract", datasets: "Sequence[Dataset]", file: BinaryIO, options: FormatOptions
) -> Writing:
    from aggregation_pipeline.formats.parquet_file import write_parquet

    return write_parquet(extract, datasets, file, options)


_JSON_BY_SHAPE: Final = {
    "object": FileType(".json", "application/json", one_file_per_dataset=False),
    "array": FileType(".json", "application/json", one_file_per_dataset=True),
    "lines": FileType(".jsonl", "application/x-ndjson", one_file_per_dataset=True),
}
_WORKBOOK: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_REGISTERED: Final = (
    FileFormat(
        "json",
        "json",
        tuple(_JSON_BY_SHAPE.values()),
        _write_json,
        choose_type=lambda options: _JSON_BY_SHAPE[options.json_.shape],
    ),
    FileFormat("csv", "csv", (FileType(".csv", "text/csv", one_file_per_dataset=True),), _write_csv),
    FileFormat("excel", "excel", (FileType(".xlsx", _WORKBOOK, one_file_per_dataset=False),), _write_excel),
    FileFormat(
        "parquet", "parquet", (FileType(".parquet", PARQUET_MEDIA_TYPE, one_file_per_dataset=True),), _write_parquet
    ),
)
FORMATS: Final[Mapping[str, FileFormat]] = {each.name: each for each in _REGISTERED}


def render(format_name: str, extract: "Extract", directory: Path, options: FormatOptions) -> tuple[RenderedFile, ...]:
    """Write all files of one format into `directory`, which must exist. After an error no file is left.

    Raises:
        FormatError: there is no such format, or a value cannot be written in it.
    """
    steps = render_in_steps(format_name, extract, directory, options)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            files: tuple[RenderedFile, ...] = end.value
            return files


def render_in_steps(
    format_name: str, extract: "Extract", directory: Path, options: FormatOptions
) -> Generator[None, None, tuple[RenderedFile, ...]]:
    """Do what `render` does, a step for each slice of rows. Each step may run in another thread."""
    if format_name not in FORMATS:
        raise FormatError(f"There is no format {format_name!r}; formats are {', '.join(FORMATS)}.")
    files = yield from FORMATS[format_name].render(extract, directory, options)
    return tuple(_with_zero_dates(file, extract) for file in files)


def _with_zero_dates(file: RenderedFile, extract: "Extract") -> RenderedFile:
    """Note how many dates the reader made NULL because no calendar has them."""
    count = sum(sum(dataset.zero_dates.values()) for dataset in extract.datasets if file.dataset in (ALL, dataset.name))
    return replace(file, notes={**file.notes, "zero_dates_as_null": count}) if count else file

"""Extracts become files: record batches in, finished files out, one module a format.

    render("csv", extract, directory, options) -> (RenderedFile, ...)

Every format streams the extract in slices, so memory does not grow with rows; holds no clock and no run id, so the same
data gives the same bytes; and changes no value without counting it in `RenderedFile.notes`. `describe.py` tells what
becomes of each type.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.formats.common.file_format import FileFormat, RenderedFile
from aggregation_pipeline.formats.csv_file import CSV
from aggregation_pipeline.formats.excel.workbook import EXCEL
from aggregation_pipeline.formats.json_file import JSON
from aggregation_pipeline.formats.parquet_file import PARQUET

__all__ = ["FORMATS", "FileFormat", "RenderedFile", "render"]

FORMATS: Mapping[str, FileFormat] = MappingProxyType({each.name: each for each in (JSON, CSV, EXCEL, PARQUET)})


def render(format_name: str, extract: Extract, directory: Path, options: FormatOptions) -> tuple[RenderedFile, ...]:
    """Write all files of one format into `directory`, which must exist. On FormatError, or any other, no file is
    left.
    """
    if format_name not in FORMATS:
        raise FormatError(f"There is no format {format_name!r}; formats are {', '.join(FORMATS)}.")
    files: list[RenderedFile] = []
    try:
        files.extend(FORMATS[format_name].render(extract, directory, options))
    except BaseException:
        for file in files:
            file.path.unlink(missing_ok=True)
        raise
    return tuple(_with_zero_dates(file, extract) for file in files)


def _with_zero_dates(file: RenderedFile, extract: Extract) -> RenderedFile:
    """The reader made NULL of days that no calendar has; whoever opens the file should learn how many."""
    count = sum(
        sum(dataset.zero_dates.values()) for dataset in extract.datasets if file.dataset in ("all", dataset.name)
    )
    return replace(file, notes={**file.notes, "zero_dates_as_null": count}) if count else file

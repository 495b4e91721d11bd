"""The formats. Record batches go in, finished files come out.

    render("csv", extract, directory, options) -> (RenderedFile, ...)

Every format streams the extract in slices, so memory does not grow with rows. It writes no clock and no run id, so the
same data gives the same bytes. It changes no value without counting it in `RenderedFile.notes`. docs/types.md shows
what becomes of each MySQL type; types_page.py writes its table.

A new format is a module like csv_file.py and its name in `_REGISTERED`. Where users write its name,
config/format_names.py checks it; a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.formats.common.file_format import ALL, FileFormat, RenderedFile
from aggregation_pipeline.formats.csv_file import CSV
from aggregation_pipeline.formats.excel.workbook import EXCEL
from aggregation_pipeline.formats.json_file import JSON
from aggregation_pipeline.formats.parquet_file import PARQUET

__all__ = ["FORMATS", "FileFormat", "RenderedFile", "render"]

_REGISTERED: Final = (JSON, CSV, EXCEL, PARQUET)
FORMATS: Final[Mapping[str, FileFormat]] = {each.name: each for each in _REGISTERED}


def render(format_name: str, extract: Extract, directory: Path, options: FormatOptions) -> tuple[RenderedFile, ...]:
    """Write all files of one format into `directory`, which must exist. After an error no file is left.

    Raises:
        FormatError: there is no such format, or a value cannot be written in it.
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
    """Note how many dates the reader made NULL because no calendar has them."""
    count = sum(sum(dataset.zero_dates.values()) for dataset in extract.datasets if file.dataset in (ALL, dataset.name))
    return replace(file, notes={**file.notes, "zero_dates_as_null": count}) if count else file

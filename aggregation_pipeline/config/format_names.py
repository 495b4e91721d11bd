"""The formats of files, as a user names them. A test compares them with those that formats/registry.py has."""

from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator

FormatName = Literal["json", "csv", "excel", "parquet"]
FORMAT_NAMES: Final[tuple[str, ...]] = get_args(FormatName)
# A template of file names must not end like one of their files.
FILE_ENDINGS: Final = (".json", ".jsonl", ".csv", ".xlsx", ".parquet")
# The media type of an extract, and of what is published as Parquet.
PARQUET_MEDIA_TYPE: Final = "application/vnd.apache.parquet"


def _split_and_expand(formats: object) -> object:
    """`all` stands for every format; like OUTPUT_FORMAT, one text may name several."""
    names = tuple(name.strip() for name in formats.split(",")) if isinstance(formats, str) else formats
    return FORMAT_NAMES if isinstance(names, tuple) and "all" in names else names


def _without_duplicates(formats: tuple[FormatName, ...] | None) -> tuple[FormatName, ...] | None:
    if formats is not None and not formats:
        raise ValueError("at least one format is expected; leave the key out for OUTPUT_FORMAT")
    return formats and tuple(dict.fromkeys(formats))


Formats = Annotated[
    tuple[FormatName, ...] | None, BeforeValidator(_split_and_expand), AfterValidator(_without_duplicates)
]

"""Which values are stored, as which files, and what a parameter's annotation makes of a file.

pandas and polars are looked for among what is loaded: a value or an annotation of theirs cannot be without them.
"""

import collections.abc
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from aggregation_pipeline.config.format_names import PARQUET_MEDIA_TYPE
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.io_managers.parquet_values import (
    KIND_KEY,
    kind_of_file,
    read_batches,
    read_table,
    write_batches,
    write_table,
)
from aggregation_pipeline.io_managers.user_code import computed

Kind = Literal["pandas", "polars", "lazy", "arrow", "batches", "bytes", "text"]
FRAME, BYTES, TEXT, NONE = ".parquet", ".bin", ".txt", ".none"
# By extension, what an object holds, and its media type.
EXTENSIONS: Final[Mapping[str, tuple[str, str]]] = {
    FRAME: ("rows", PARQUET_MEDIA_TYPE),
    BYTES: ("bytes", "application/octet-stream"),
    TEXT: ("text", "text/plain; charset=utf-8"),
    NONE: ("None", "application/octet-stream"),
}
_NAMES: Final[Mapping[Kind, str]] = {
    "pandas": "pandas.DataFrame",
    "arrow": "pyarrow.Table",
    "batches": "pyarrow.RecordBatchReader",
    "polars": "polars.DataFrame",
    "lazy": "polars.LazyFrame",
    "bytes": "bytes",
    "text": "str",
}
STORED: Final = (
    "a pandas DataFrame, a polars DataFrame or LazyFrame, a pyarrow Table, RecordBatch or RecordBatchReader, bytes, str"
    " or None is expected"
)
_NO_PICKLE: Final = (
    "Nothing is pickled: a pickle runs code when it is loaded, and cannot be read any more when a class has changed."
)


@dataclass(frozen=True)
class Written:
    """What a file holds: which kind of file it is, and for rows how many, in which columns."""

    extension: str
    rows: int | None = None
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What a parameter asks for.

    Attributes:
        kind: None for the kind that was stored.
        by_partition: whether it is a mapping from partitions to such values.
    """

    kind: Kind | None
    by_partition: bool = False

    @property
    def extension(self) -> str:
        """That of the object which holds it, as far as the annotation says."""
        return {"bytes": BYTES, "text": TEXT}.get(self.kind or "", FRAME)

    @property
    def name(self) -> str:
        """As the annotation is written."""
        return "Any" if self.kind is None else _NAMES[self.kind]


def wanted_by(annotation: object) -> Wanted | None:
    """Return what an annotation asks for: `T`, `T | None`, `dict[str, T]`; None for one that nothing is made for."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        others = [one for one in arguments if one is not type(None)]
        return wanted_by(others[0]) if len(others) == 1 else None
    if annotation in (dict, Mapping) or origin in (dict, collections.abc.Mapping):
        inner = wanted_by(arguments[1]) if arguments else Wanted(None)
        return None if inner is None or inner.by_partition else Wanted(inner.kind, by_partition=True)
    if annotation in (Any, object):
        return Wanted(None)
    return next((Wanted(kind) for kind, known in _classes().items() if annotation is known), None)


def annotations() -> str:
    """Return the annotations that can be asked for, for messages."""
    return ", ".join(_NAMES.values())


def shown(annotation: object) -> str:
    """Return an annotation as it is written, for messages."""
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)


def _classes() -> dict[Kind, object]:
    found: dict[Kind, object] = {"arrow": pa.Table, "batches": pa.RecordBatchReader, "bytes": bytes, "text": str}
    if pandas := sys.modules.get("pandas"):
        found["pandas"] = pandas.DataFrame
    if polars := sys.modules.get("polars"):
        found |= {"polars": polars.DataFrame, "lazy": polars.LazyFrame}
    return found


def write_value(value: object, path: Path) -> Written:
    """Write a value to `path`.

    Raises:
        StorageError: it is of another type, or holds what would not come back as it is.
        UserCodeError: the user's code raised while the value was computed.
    """
    if value is None:
        path.write_bytes(b"")
        return Written(NONE)
    if isinstance(value, bytes | bytearray | memoryview):
        path.write_bytes(value)
        return Written(BYTES)
    if isinstance(value, str):
        _write_text(value, path)
        return Written(TEXT)
    written = _write_rows(value, path)
    if written is None:
        kind = type(value)
        raise StorageError(
            f"a {kind.__module__.partition('.')[0]}.{kind.__qualname__} is not stored: {STORED}. {_NO_PICKLE} Convert"
            " it, or store it yourself by OSSResource and return None"
        )
    return written


def _write_text(value: str, path: Path) -> None:
    try:
        content = value.encode()
    except UnicodeEncodeError as error:
        # Its text quotes the value.
        place = error.start
    else:
        path.write_bytes(content)
        return
    raise StorageError(
        f"the text has half of a character (a lone surrogate) at position {place}, which UTF-8 cannot hold. Take it"
        " out, or return bytes"
    )


def _write_rows(value: object, path: Path) -> Written | None:
    """Write rows; None for a value that is none."""
    if isinstance(value, pa.RecordBatchReader):
        write_batches(computed(value), value.schema, path, "arrow")
        return _frame(path, value.schema)
    if isinstance(value, pa.RecordBatch):
        value = pa.Table.from_batches([value])
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    kind = "arrow"
    if pandas is not None and isinstance(value, pandas.DataFrame):
        from aggregation_pipeline.io_managers.pandas_values import from_pandas

        value, kind = from_pandas(value), "pandas"
    if isinstance(value, pa.Table):
        write_table(value, path, kind)
        return _frame(path, value.schema)
    if polars is not None and isinstance(value, polars.DataFrame | polars.LazyFrame):
        from aggregation_pipeline.io_managers.polars_values import write_polars

        return Written(FRAME, *write_polars(value, path, {KIND_KEY: "polars"}))
    return None


def _frame(path: Path, schema: pa.Schema) -> Written:
    return Written(FRAME, pq.read_metadata(path).num_rows, tuple((field.name, str(field.type)) for field in schema))


def read_value(path: Path, extension: str, wanted: Kind | None) -> object:
    """Return the content of a file as `wanted`, which fits to the extension; None for the kind that was stored.

    Raises:
        StorageError: rows of polars' own types cannot be had as others; or somebody else has changed the file.
    """
    if extension == NONE:
        return None
    if extension == BYTES:
        return path.read_bytes()
    try:
        return path.read_bytes().decode("utf-8") if extension == TEXT else _read_rows(path, wanted)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        # Arrow's OSErrors have no number; those of a disk do. Their text may quote values.
        if isinstance(error, OSError) and error.errno is not None:
            raise
    what = "text in UTF-8" if extension == TEXT else "whole Parquet file"
    raise StorageError(f"what is stored is no {what}: something else has changed it. Materialize it anew")


def _read_rows(path: Path, wanted: Kind | None) -> object:
    stored = kind_of_file(path)
    kind = wanted or typing.cast("Kind", stored or "arrow")
    if stored == "polars" and kind in ("polars", "lazy"):
        import polars as pl

        frame = pl.read_parquet(path)
        return frame if kind == "polars" else frame.lazy()
    try:
        if kind == "batches":
            return _plain_batches(read_batches(path)) if stored == "pandas" else read_batches(path)
        table = read_table(path)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        if stored != "polars":
            raise
        problem = f"polars has stored a type that Arrow does not know ({type(error).__name__})"
    else:
        return as_kind(_plain(table) if stored == "pandas" and kind != "pandas" else table, kind)
    raise StorageError(f"{problem}: annotate the input as polars.DataFrame")


def as_kind(table: pa.Table, kind: Kind) -> object:
    """Return rows as a frame of a kind."""
    if kind == "pandas":
        from aggregation_pipeline.io_managers.pandas_values import to_pandas

        return to_pandas(table)
    if kind in ("polars", "lazy"):
        from aggregation_pipeline.io_managers.polars_values import from_arrow

        frame = from_arrow(table)
        return frame if kind == "polars" else frame.lazy()
    return table.to_reader() if kind == "batches" else table


def _plain(table: pa.Table) -> pa.Table:
    from aggregation_pipeline.io_managers.pandas_values import without_pandas

    return without_pandas(table)


def _plain_batches(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    schema = _plain(reader.schema.empty_table()).schema
    tables = (_plain(pa.Table.from_batches([batch])) for batch in reader)
    return pa.RecordBatchReader.from_batches(schema, (batch for table in tables for batch in table.to_batches()))

"""What a renderer hands back, and how its file comes into being: under a temporary name, then whole, or not at all."""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.extract import Extract


@dataclass(frozen=True)
class RenderedFile:
    """One finished file. `name` is what it is called where it is published; `path` is where it lies now."""

    path: Path
    name: str
    format: str
    dataset: Literal["summary", "detail", "all"]
    rows: int
    bytes: int
    media_type: str
    # Counted departures from the plain value, by name: {"csv_formulas_escaped": 3}. Empty when every value stands as it was.
    notes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FileFormat:
    """A way of writing an extract. `render` takes (extract, directory, options) and yields each file when it is whole.

    `whole_table`: one file holds both datasets; otherwise each has a file of its own.
    """

    name: str
    extension: str
    media_type: str
    render: Callable[[Extract, Path, FormatOptions], Iterator[RenderedFile]]
    whole_table: bool

    def file_names(self, table: str, datasets: Sequence[str]) -> list[str]:
        """What the files of a table with these datasets are called."""
        return [f"{table}.{self.extension}"] if self.whole_table else [f"{table}.{dataset}.{self.extension}" for dataset in datasets]


def local_path(directory: Path, name: str) -> Path:
    """Where the file published as `name` lies: names of entries hold `/` and any number of characters, file systems take 255 bytes."""
    quoted = name.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")
    if len(quoted.encode()) > 200:
        quoted = hashlib.sha256(quoted.encode()).hexdigest()[:32] + "".join(Path(quoted).suffixes[-2:])[-50:]
    return directory / quoted


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to, which takes the place of `path` when the block ends well and vanishes when it does not."""
    # Not tempfile's: its files are for their owner's eyes only, and stay so when they are published to a folder.
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("x+b") as file:
            yield file
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

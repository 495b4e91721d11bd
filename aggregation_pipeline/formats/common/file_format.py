"""What a renderer hands back, and how its file comes into being: under a temporary name, then whole, or not at all."""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from aggregation_pipeline.config.file_names import file_stem
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.extract import Dataset, Extract


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
    # Counted departures from the plain value, by name: {"csv_formulas_escaped": 3}. Empty when every value stands as it
    # was.
    notes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FileKind:
    """What the files of a format are. `whole_table`: one file holds both datasets; otherwise each has a file of its
    own.
    """

    extension: str
    media_type: str
    whole_table: bool


@dataclass(frozen=True)
class FileFormat:
    """A way of writing an extract.

    `kind` tells what its files are with these options. `write` takes (extract, the datasets of one file, the file,
    options) and returns what it had to change, as `RenderedFile.notes` counts it.
    """

    name: str
    kind: Callable[[FormatOptions], FileKind]
    write: Callable[[Extract, Sequence[Dataset], BinaryIO, FormatOptions], Mapping[str, int]]

    def file_names(self, table: str, window: str, datasets: Sequence[str], options: FormatOptions) -> dict[str, str]:
        """What the files of a table's window are called, by dataset; under "all" the one that holds them all."""
        kind = self.kind(options)
        parts = [None] if kind.whole_table else datasets
        stems = {part or "all": file_stem(options.file_names, table, window, self.name, part) for part in parts}
        return {part: f"{stem}.{kind.extension}" for part, stem in stems.items()}

    def render(self, extract: Extract, directory: Path, options: FormatOptions) -> Iterator[RenderedFile]:
        """Write the files into `directory`, and yield each when it is whole."""
        names = self.file_names(extract.table, extract.window, [dataset.name for dataset in extract.datasets], options)
        for part, name in names.items():
            datasets = [dataset for dataset in extract.datasets if part in ("all", dataset.name)]
            path = local_path(directory, name)
            with whole_file(path) as file:
                notes = self.write(extract, datasets, file, options)
            holds = datasets[0].name if part != "all" else "all"
            rows = sum(dataset.rows for dataset in datasets)
            yield RenderedFile(
                path, name, self.name, holds, rows, path.stat().st_size, self.kind(options).media_type, notes
            )


def local_path(directory: Path, name: str) -> Path:
    """Where the file published as `name` lies: names of entries hold `/` and any number of characters, file systems
    take 255 bytes.
    """
    quoted = name.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")
    if len(quoted.encode()) > 200:
        quoted = hashlib.sha256(quoted.encode()).hexdigest()[:32] + "".join(Path(quoted).suffixes[-2:])[-50:]
    return directory / quoted


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to, which takes the place of `path` when the block ends well and vanishes when it does
    not.
    """
    # Not tempfile's: its files are for their owner's eyes only, and stay so when they are published to a folder.
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("x+b") as file:
            yield file
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

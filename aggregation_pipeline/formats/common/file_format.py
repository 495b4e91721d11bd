"""What describes a format, and how one of its files comes into being: under a temporary name, then whole or not at all.

A format is one module that writes it, and its `FileFormat` in registry.py. Nothing else in the pipeline knows endings,
media types or Dagster's icons.
"""

import hashlib
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from aggregation_pipeline.config.file_names import file_stem
from aggregation_pipeline.config.options import FormatOptions

if TYPE_CHECKING:
    from aggregation_pipeline.extract import Dataset, Extract

# The "dataset" of a file that holds all of them.
ALL = "all"
# A format at work. It yields before it takes on a slice of rows, so that another thread can go on with it there, and
# returns `RenderedFile.notes`.
Writing = Generator[None, None, Mapping[str, int]]


@dataclass(frozen=True)
class RenderedFile:
    """One finished file.

    Attributes:
        path: its place on the local disk.
        name: what it is called where it is published.
        rows: of all datasets in it.
        notes: how many values are not written plainly, by reason: {"csv_formulas_escaped": 3}.
    """

    path: Path
    name: str
    format: str
    dataset: Literal["summary", "detail", "all"]
    rows: int
    bytes: int
    media_type: str
    notes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FileType:
    """What the files of a format are. `ending` begins with a dot.

    With `one_file_per_dataset`, summary and detail are files of their own; otherwise one file holds both.
    """

    ending: str
    media_type: str
    one_file_per_dataset: bool


@dataclass(frozen=True)
class FileFormat:
    """A way to write an extract, and all that the rest of the pipeline has to know of it.

    Attributes:
        name: what aggregation.yaml calls it.
        dagster_kind: the kind by which Dagster chooses the icon of its assets.
        file_types: what its files may be; most formats have one type.
        write: takes the extract, the datasets of one file, the open file and the options.
        choose_type: picks one of `file_types` by the options; needed where there are several.
    """

    name: str
    dagster_kind: str
    file_types: tuple[FileType, ...]
    write: "Callable[[Extract, Sequence[Dataset], BinaryIO, FormatOptions], Writing]"
    choose_type: Callable[[FormatOptions], FileType] | None = None

    def file_type(self, options: FormatOptions) -> FileType:
        """Return what the files are with these options."""
        return self.file_types[0] if self.choose_type is None else self.choose_type(options)

    def file_names(self, table: str, window: str, datasets: Sequence[str], options: FormatOptions) -> dict[str, str]:
        """Return what the files of a table's window are called, by dataset; by "all" where one file holds them all."""
        chosen = self.file_type(options)
        parts = datasets if chosen.one_file_per_dataset else [None]
        stems = {part or ALL: file_stem(options.file_names, table, window, self.name, part) for part in parts}
        return {part: f"{stem}{chosen.ending}" for part, stem in stems.items()}

    def render(
        self, extract: "Extract", directory: Path, options: FormatOptions
    ) -> Generator[None, None, list[RenderedFile]]:
        """Write the files into `directory`, in the steps of `write`, and return them. A failure leaves no file."""
        media_type = self.file_type(options).media_type
        names = self.file_names(extract.table, extract.window, [dataset.name for dataset in extract.datasets], options)
        files: list[RenderedFile] = []
        try:
            for part, name in names.items():
                datasets = [dataset for dataset in extract.datasets if part in (ALL, dataset.name)]
                path = local_path(directory, name)
                with whole_file(path) as file:
                    notes = yield from self.write(extract, datasets, file, options)
                held = "all" if part == ALL else datasets[0].name
                rows = sum(dataset.rows for dataset in datasets)
                files.append(RenderedFile(path, name, self.name, held, rows, path.stat().st_size, media_type, notes))
        except BaseException:
            for rendered in files:
                rendered.path.unlink(missing_ok=True)
            raise
        return files


def local_path(directory: Path, name: str) -> Path:
    """Return the local path of the file that is published as `name`.

    Entries' names may hold `/` and any number of characters, while file systems take 255 bytes.
    """
    quoted = name.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")
    if len(quoted.encode()) > 200:
        quoted = hashlib.sha256(quoted.encode()).hexdigest()[:32] + "".join(Path(quoted).suffixes[-2:])[-50:]
    return directory / quoted


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when the block ends well, and vanishes when it does not."""
    # Not tempfile's: only their owner may read those, also when they are published to a folder.
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("x+b") as file:
            yield file
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

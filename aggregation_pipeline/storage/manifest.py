"""manifest.json, the commit mark of a window: it names every file with size and checksum, and says where the data came from.

A reader that goes by the manifest sees one window whole or not at all: the manifest is written after everything that it names.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from aggregation_pipeline.errors import StorageError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ManifestColumn(_Part):
    """An output column; `type` is the Arrow type by name."""

    name: str
    type: str


class ManifestExtract(_Part):
    """A dataset's extract. Its checksum is the identity of the data; `key` is None when the extract itself was not stored."""

    key: str | None
    bytes: int
    crc64: str


class ManifestDataset(_Part):
    """What was read from the database.

    `order` says in words by what the rows are ordered; `truncated`: `limit` cut them; `zero_dates` counts, by column, the dates that no
    calendar has and that became NULL; `masks` says, by column, how personal data is hidden: partial, hash, or drop for a column left out.
    """

    name: Literal["summary", "detail"]
    rows: int
    sql: str
    order: str
    truncated: bool
    columns: tuple[ManifestColumn, ...]
    zero_dates: dict[str, int]
    masks: dict[str, str] = {}
    extract: ManifestExtract


class ManifestFile(_Part):
    """A published file; `notes` counts what the format had to change (replaced characters, null zero dates, ...)."""

    key: str
    name: str
    format: str
    dataset: Literal["summary", "detail", "all"]
    rows: int
    bytes: int
    crc64: str
    media_type: str
    notes: dict[str, int]


class ManifestCheck(_Part):
    """What a check said of this window before it was published; one that is not passed and stands here was not blocking."""

    name: str
    passed: bool
    severity: Literal["error", "warn"]
    words: str


class Manifest(_Part):
    """One window of one table. `run_id` is the Dagster run that wrote this manifest; no clock, so equal content is equal bytes.

    `consistency`: snapshot, or none where rows may be of different moments. `engines` are those of all tables that were read, views
    followed: `InnoDB`, `InnoDB, MyISAM (hits)` with the tables that have no snapshots, `unknown (view v)` where the account may not see.
    `columns_asked` is a fingerprint of the columns that the entry asked for: where that is the same and they differ, the table changed.
    """

    version: Literal[1] = 1
    table: str
    window: str
    run_id: str
    consistency: str
    engines: str = ""
    columns_asked: str = ""
    datasets: tuple[ManifestDataset, ...]
    files: tuple[ManifestFile, ...]
    notes: tuple[str, ...] = ()
    checks: tuple[ManifestCheck, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all datasets, each counted once however many formats there are."""
        return sum(dataset.rows for dataset in self.datasets)

    def to_json(self) -> bytes:
        """Fields in the order of the model, true characters, a newline at the end: stable and pleasant to read."""
        return (self.model_dump_json(indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes, *, where: str) -> "Manifest":
        """Raises StorageError, naming `where`, when the content is no manifest that this version understands."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "the document"
            raise StorageError(
                f"{where} is not a manifest of version 1: {field}: {first['msg']}. It was written by another version of this package or "
                "changed by hand: delete it and materialize the window again."
            ) from None

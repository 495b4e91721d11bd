"""manifest.json of a publication: it names every file with size and checksum, and says where the data came from.

A reader who goes by the manifest sees a window whole or not at all. The manifest is written after everything that it
names, and what it names is never written again.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from aggregation_pipeline.errors import StorageDamagedError
from aggregation_pipeline.storage.parsed_keys import ParsedKey, parse_extract_key, parse_key
from aggregation_pipeline.storage.stored_format import MANIFEST_FORMAT, refuse_newer


class _ManifestModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ManifestColumn(_ManifestModel):
    """An output column; `type` is the Arrow type by name."""

    name: str
    type: str


class ManifestExtract(_ManifestModel):
    """A dataset's extract. Its checksum identifies the data. The object expires after EXTRACT_KEEP_DAYS.

    `version` is of its format: Parquet with the types and the order of columns that `source/parquet_sink.py` writes.
    """

    version: Literal[1] = 1
    key: str
    bytes: int
    crc64: str


class ManifestDataset(_ManifestModel):
    """What was read from the database.

    Attributes:
        order: by what the rows are ordered, in words.
        truncated: whether `limit` cut off further rows.
        zero_dates: by column, how many dates became NULL because no calendar has them.
        masks: by column, how personal data is hidden: partial, hash, or drop for a column left out.
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


class ManifestFile(_ManifestModel):
    """A published file. `key` is the object's whole key; `notes` counts values that the format had to change."""

    key: str
    name: str
    format: str
    dataset: Literal["summary", "detail", "all"]
    rows: int
    bytes: int
    crc64: str
    media_type: str
    notes: dict[str, int]


class ManifestCheck(_ManifestModel):
    """A check's result on this window before it was published. One that failed was not blocking."""

    name: str
    passed: bool
    severity: Literal["error", "warn"]
    message: str


class Manifest(_ManifestModel):
    """One window of one table. It holds no clock, so equal content is equal bytes.

    Attributes:
        version: of this format. What adds a field, or gives one another meaning, counts it up.
        written_by: the program that wrote it, with its version.
        source: the name of the source database that was read; empty for the one without a name, and in format 1.
        run_id: the Dagster run that wrote the manifest.
        publication: the folder that the manifest was written for. Files that had not changed lie in folders of earlier
            publications of the same window.
        consistency: snapshot, or none where rows may be of different moments.
        engines: storage engines of all tables that were read, also through views: `InnoDB`; `InnoDB, MyISAM (hits)`
            with the tables that have no snapshots; `unknown (view v)` where the account may not look.
        columns_fingerprint: of the columns that the entry asks for. Where it is equal and columns differ, the table
            has changed.
        masks_fingerprints: of the masks under which the data was read. The first is of the tables that the entry names.
            Where views or stored functions were read, a second follows after a blank, of all masks in the file.
        refresh_key: of a partition of an entry with `refresh`: a fingerprint of what its key means, a blank, and one of
            the value that the key had in the snapshot that was read.
    """

    version: Literal[1, 2] = MANIFEST_FORMAT
    written_by: str = ""
    source: str = ""
    table: str
    window: str
    run_id: str
    publication: str
    consistency: str
    engines: str = ""
    columns_fingerprint: str = ""
    masks_fingerprints: str = ""
    refresh_key: str = ""
    datasets: tuple[ManifestDataset, ...]
    files: tuple[ManifestFile, ...]
    notes: tuple[str, ...] = ()
    checks: tuple[ManifestCheck, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all datasets; formats do not multiply them."""
        return sum(dataset.rows for dataset in self.datasets)

    @property
    def keys(self) -> frozenset[str]:
        """The keys of all objects that it names."""
        return frozenset([*(file.key for file in self.files), *(dataset.extract.key for dataset in self.datasets)])

    def to_json(self) -> bytes:
        """Write the fields in the model's order, characters unescaped, with a newline at the end."""
        return (self.model_dump_json(indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes, *, where: str) -> "Manifest":
        """Read a manifest.

        Raises:
            StorageNewerError: a newer version of this package wrote it, or an extract that it names.
            StorageDamagedError: it is none that this version understands; the message names `where`.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            refuse_newer(content, MANIFEST_FORMAT, where=where)
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "the document"
            raise _damaged(where, f"{field}: {first['msg']}") from None

    def refuse_foreign_keys(self, prefix: str, table: str, window: str, *, where: str) -> None:
        """Prove that it is of this window and names only objects of its publications.

        Raises:
            StorageDamagedError: it does not.
        """
        if (self.table, self.window) != (table, window):
            raise _damaged(where, f"it is of table {self.table!r}, window {self.window!r}")
        files = [(file.key, parse_key(prefix, file.key)) for file in self.files]
        extracts = [(dataset.extract.key, parse_extract_key(prefix, dataset.extract.key)) for dataset in self.datasets]
        for key, parsed in (*files, *extracts):
            if not _is_in_window(parsed, table, window):
                raise _damaged(where, f"it names {key!r}, which is no object of a publication of this window")


def _is_in_window(parsed: ParsedKey | None, table: str, window: str) -> bool:
    return parsed is not None and parsed.publication != "" and (parsed.table, parsed.window) == (table, window)


def _damaged(where: str, why: str) -> StorageDamagedError:
    return StorageDamagedError(
        f"{where} is not a manifest of version 1 or {MANIFEST_FORMAT}: {why}. It was written by another version of this"
        " package or changed by hand. Materialize the window again, which replaces the manifest in force; that of an"
        " earlier publication has to be deleted."
    )

"""manifest.json, the commit mark of a publication: it names every file with size and checksum, and says where the data
came from.

A reader that goes by the manifest sees one window whole or not at all: the manifest is written after everything that it
names, and what it names is never written again.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from aggregation_pipeline.errors import StorageDamagedError
from aggregation_pipeline.storage.parsed_keys import ParsedKey, parse_extract_key, parse_key


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ManifestColumn(_Part):
    """An output column; `type` is the Arrow type by name."""

    name: str
    type: str


class ManifestExtract(_Part):
    """A dataset's extract. Its checksum is the identity of the data. The object expires; see EXTRACT_KEEP_DAYS."""

    key: str
    bytes: int
    crc64: str


class ManifestDataset(_Part):
    """What was read from the database.

    `order` says in words by what the rows are ordered; `truncated`: `limit` cut them; `zero_dates` counts, by column,
    the dates that no calendar has and that became NULL; `masks` says, by column, how personal data is hidden: partial,
    hash, or drop for a column left out.
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
    """A published file; `key` is the whole key of the object. `notes` counts what the format had to change (replaced
    characters, null zero dates, ...).
    """

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
    """What a check said of this window before it was published; one that is not passed and stands here was not
    blocking.
    """

    name: str
    passed: bool
    severity: Literal["error", "warn"]
    words: str


class Manifest(_Part):
    """One window of one table. `run_id` is the Dagster run that wrote this manifest; no clock, so equal content is
    equal bytes.

    `version` is that of this format. `publication` names the folder that the manifest was written for; files that had
    not changed lie in folders of earlier publications of the same window.

    `consistency`: snapshot, or none where rows may be of different moments. `engines` are those of all tables that were
    read, views followed: `InnoDB`, `InnoDB, MyISAM (hits)` with the tables that have no snapshots, `unknown (view v)`
    where the account may not see. `columns_asked` is a fingerprint of the columns that the entry asked for: where that
    is the same and they differ, the table changed. `masks_asked` are fingerprints of the masks under which the data was
    read: those of tables that the entry names, and behind a blank those of the whole file where views or stored
    functions were read.
    """

    version: Literal[1] = 1
    table: str
    window: str
    run_id: str
    publication: str
    consistency: str
    engines: str = ""
    columns_asked: str = ""
    masks_asked: str = ""
    datasets: tuple[ManifestDataset, ...]
    files: tuple[ManifestFile, ...]
    notes: tuple[str, ...] = ()
    checks: tuple[ManifestCheck, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all datasets, each counted once however many formats there are."""
        return sum(dataset.rows for dataset in self.datasets)

    @property
    def keys(self) -> frozenset[str]:
        """The keys of all objects that it names."""
        return frozenset([*(file.key for file in self.files), *(dataset.extract.key for dataset in self.datasets)])

    def to_json(self) -> bytes:
        """Fields in the order of the model, true characters, a newline at the end: stable and pleasant to read."""
        return (self.model_dump_json(indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes, *, where: str) -> "Manifest":
        """Raises StorageDamagedError, naming `where`, when the content is no manifest that this version understands."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "the document"
            raise _damaged(where, f"{field}: {first['msg']}") from None

    def refuse_strays(self, prefix: str, table: str, window: str, *, where: str) -> None:
        """Prove that it speaks of this window and names nothing but objects of its publications: nobody is led anywhere
        else.

        Raises:
            StorageDamagedError: it does not.
        """
        if (self.table, self.window) != (table, window):
            raise _damaged(where, f"it is of table {self.table!r}, window {self.window!r}")
        files = [(file.key, parse_key(prefix, file.key)) for file in self.files]
        extracts = [(dataset.extract.key, parse_extract_key(prefix, dataset.extract.key)) for dataset in self.datasets]
        for key, place in (*files, *extracts):
            if not _is_within(place, table, window):
                raise _damaged(where, f"it names {key!r}, which is no object of a publication of this window")


def _is_within(place: ParsedKey | None, table: str, window: str) -> bool:
    return place is not None and place.publication != "" and (place.table, place.window) == (table, window)


def _damaged(where: str, why: str) -> StorageDamagedError:
    return StorageDamagedError(
        f"{where} is not a manifest of version 1: {why}. It was written by another version of this package or changed"
        " by hand. Materialize the window again, which replaces the manifest in force; that of an earlier publication"
        " has to be deleted."
    )

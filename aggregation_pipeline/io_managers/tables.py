"""Tables of the pipeline, handed to assets of users: the rows of their windows, or their manifests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from dagster import InputContext

from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.export.published import refuse_other_masks
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.io_managers.values import annotations, as_kind, shown, wanted_by
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.runs.tags import TABLE_KEY
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.published import fetch_extract, load_manifest
from aggregation_pipeline.tempfiles.working_directory import working_directory

_MISSING_SHOWN: Final = 20


class PublishedTables:
    """Loads what is published of tables.

    A parameter that is annotated as a frame gets the rows of the first dataset, or of the one that
    `AssetIn(metadata={"dataset": "detail"})` names. Of a partitioned table it gets those of all partitions that it
    depends on, one after the other; as `dict[str, ...]` by partition. One that is annotated as `Manifest` gets the
    manifest, the last of several. Without an annotation it is a DataFrame of pandas.

    Args:
        publisher: where the tables are published.
        entries: of the tables, by name: rows that were read before a mask was configured are not handed out.
    """

    def __init__(self, publisher: Publisher, entries: Mapping[str, TableEntry] = MappingProxyType({})) -> None:
        self._publisher, self._store, self._entries = publisher, publisher.store, entries

    def load(self, context: InputContext, table: str, annotation: object) -> object:
        """Load what is published of a table, as an annotation asks.

        Raises:
            StorageError: nothing is published there yet, masks have changed since, or the annotation is of another
                kind.
        """
        wanted = None if annotation is Manifest else wanted_by(annotation)
        if annotation is not Manifest and (wanted is None or wanted.kind in ("bytes", "text")):
            raise StorageError(
                f"input {context.name!r} is annotated as {shown(annotation)}; annotate it as {annotations()} or,"
                " for a table, Manifest; a table has neither bytes nor str."
            )
        manifests = self._manifests(context, table)
        if wanted is None:
            return list(manifests.values())[-1]
        dataset, kind = (context.definition_metadata or {}).get("dataset"), wanted.kind or "pandas"
        if wanted.by_partition:
            return {key: as_kind(self.load_rows(table, [one], dataset), kind) for key, one in manifests.items()}
        return as_kind(self.load_rows(table, list(manifests.values()), dataset), kind)

    def load_rows(self, table: str, manifests: Sequence[Manifest], dataset: str | None) -> pa.Table:
        """Load the rows of several windows of an entry, one window after the other.

        Args:
            table: the name of the entry.
            manifests: those of the windows.
            dataset: `summary` or `detail`; None for the first that the entry has.

        Raises:
            StorageError: there is no such dataset, the stored rows have expired, or masks have changed since they were
                read.
        """
        if table in self._entries:
            for manifest in manifests:
                refuse_other_masks(self._entries[table], manifest)
        with working_directory(self._publisher.temp_dir) as directory:
            extracts = (
                fetch_extract(self._store, manifest, directory / str(number))
                for number, manifest in enumerate(manifests)
            )
            return pa.concat_tables([pq.read_table(_dataset_path(extract, dataset)) for extract in extracts])

    def _manifests(self, context: InputContext, table: str) -> dict[str, Manifest]:
        """The manifests of the upstream partitions, in order; without partitions, that of the newest window."""
        if not context.has_asset_partitions:
            manifest = self._publisher.latest_manifest(table)
            return {manifest.window: manifest}
        prefix = self._publisher.prefix
        found = {key: load_manifest(self._store, prefix, table, key) for key in context.asset_partition_keys}
        missing = [key for key, manifest in found.items() if manifest is None]
        if missing:
            raise StorageError(
                f"table {table!r} is not published for {some_of(missing, _MISSING_SHOWN)}. Materialize these"
                " partitions first."
            )
        return {key: manifest for key, manifest in found.items() if manifest is not None}


def table_of(context: InputContext) -> str | None:
    """The entry that the upstream asset belongs to; None for an asset of another kind."""
    upstream = context.upstream_output
    return None if upstream is None else (upstream.definition_metadata or {}).get(TABLE_KEY)


def _dataset_path(extract: Extract, wanted: str | None) -> Path:
    by_name = {dataset.name: dataset.path for dataset in extract.datasets}
    if wanted is None:
        return extract.datasets[0].path
    if wanted not in by_name:
        raise StorageError(f"table {extract.table!r} has no dataset {wanted!r}; it has {', '.join(by_name)}.")
    return by_name[wanted]

"""The IO manager for users' own assets beside the tables: it stores what they return, and loads what they depend on.

It is not a UPathIOManager: that class deletes a local file at the same relative path when it writes a partitioned
asset, and refuses backfills in a single run. Nor is it configured through Dagster: a bucket's access keys have no place
in a run's configuration.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from dagster import InputContext, IOManager, OutputContext

from aggregation_pipeline.config.format_names import PARQUET_MEDIA_TYPE
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.export.published import refuse_other_masks
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.runs.redaction import redact_errors
from aggregation_pipeline.runs.tags import ROW_COUNT_KEY, TABLE_KEY, URI_KEY
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.published import fetch_extract, load_manifest
from aggregation_pipeline.tempfiles.working_directory import working_directory

# The folder of the values that users' own assets return.
_ASSETS_FOLDER: Final = "_assets"
_MISSING_SHOWN: Final = 20


class OSSIOManager(IOManager):
    """Stores and loads the values of assets.

    An asset of your own may return a pandas DataFrame or an Arrow table, which is stored as Parquet. It may depend on a
    table of the pipeline, or on another such asset, and gets a DataFrame or an Arrow table, as its parameter is
    annotated (`metadata={"dataset": "detail"}` on its AssetIn asks for the detail rows). A parameter annotated as
    `Manifest` gets the table's manifest. Of a partitioned table it gets the rows of all partitions that it depends on,
    one after the other, or the manifest of the last.

    Args:
        publisher: where the tables are published; values of other assets are stored beside them.
        entries: of the tables, by name: rows that were read before a mask was configured are not handed out.
    """

    def __init__(self, publisher: Publisher, entries: Mapping[str, TableEntry] = MappingProxyType({})) -> None:
        self._publisher = publisher
        self._store = publisher.store
        self._entries = entries

    @redact_errors
    def handle_output(self, context: OutputContext, obj: object) -> None:
        """Store what an asset returned.

        Raises:
            StorageError: it is neither a DataFrame nor an Arrow table.
        """
        if obj is None:
            return
        if not isinstance(obj, pa.Table):
            # Imported where a value is not Arrow's: every run makes an IO manager, and few runs need pandas.
            import pandas as pd

            if isinstance(obj, pd.DataFrame):
                obj = pa.Table.from_pandas(obj, preserve_index=False)
        if not isinstance(obj, pa.Table):
            raise StorageError(
                f"asset {context.asset_key.to_user_string()} returned a {type(obj).__name__}; a pandas DataFrame or a"
                " pyarrow Table is expected. An asset that stores its result by itself returns None or a"
                " MaterializeResult."
            )
        key = self._object_key(context)
        with working_directory(self._publisher.temp_dir) as directory:
            path = directory / "asset.parquet"
            pq.write_table(obj, path, compression="zstd")
            stored = self._store.put(key, path, media_type=PARQUET_MEDIA_TYPE)
        context.add_output_metadata({ROW_COUNT_KEY: obj.num_rows, URI_KEY: self._store.uri(key), "bytes": stored.bytes})

    @redact_errors
    def load_input(self, context: InputContext) -> object:
        """Load what an upstream asset published, as the parameter's annotation asks.

        Raises:
            StorageError: nothing is published there yet, masks have changed since, or the annotation is of another
                kind.
        """
        annotation = context.dagster_type.typing_type
        table = _table_of(context)
        if table is None:
            rows = self._load_value(context)
        else:
            manifests = self._manifests(context, table)
            if annotation is Manifest:
                return manifests[-1]
            rows = self.load_rows(table, manifests, (context.definition_metadata or {}).get("dataset"))
        if annotation is pa.Table:
            return rows
        import pandas as pd

        if annotation in (pd.DataFrame, Any):
            # Arrow-backed columns: a DECIMAL stays a decimal, and an integer with NULLs stays an integer.
            return rows.to_pandas(types_mapper=pd.ArrowDtype)
        raise StorageError(
            f"input {context.name!r} is annotated as {annotation}; annotate it as pandas.DataFrame, pyarrow.Table or,"
            " for a table, Manifest."
        )

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

    def _load_value(self, context: InputContext) -> pa.Table:
        with working_directory(self._publisher.temp_dir) as directory:
            path = directory / "asset.parquet"
            self._store.get(self._object_key(context), path)
            return pq.read_table(path)

    def _manifests(self, context: InputContext, table: str) -> list[Manifest]:
        """The manifests of the upstream partitions, in order; without partitions, that of the newest window."""
        if not context.has_asset_partitions:
            return [self._publisher.latest_manifest(table)]
        prefix = self._publisher.prefix
        found = {key: load_manifest(self._store, prefix, table, key) for key in context.asset_partition_keys}
        missing = [key for key, manifest in found.items() if manifest is None]
        if missing:
            raise StorageError(
                f"table {table!r} is not published for {some_of(missing, _MISSING_SHOWN)}. Materialize these"
                " partitions first."
            )
        return [manifest for manifest in found.values() if manifest is not None]

    def _object_key(self, context: InputContext | OutputContext) -> str:
        folders = [*filter(None, [self._publisher.prefix]), _ASSETS_FOLDER]
        return "/".join([*folders, *map(segment, context.get_asset_identifier())]) + ".parquet"


def _table_of(context: InputContext) -> str | None:
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

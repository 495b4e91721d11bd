"""What Dagster's assets write ends up on Alibaba Cloud OSS, or in a folder: one manager publishes and loads both.

Not a UPathIOManager: that one deletes a local file at the same relative path when it writes a partitioned asset, and
refuses backfills in a single run. Not configured through Dagster either: keys of a bucket have no place in a run's
configuration.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from dagster import InputContext, IOManager, OutputContext

from aggregation_pipeline.config.file_names import Names
from aggregation_pipeline.config.model import TableEntry
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.export.window import Publication, refuse_other_masks
from aggregation_pipeline.extract import PARQUET_MEDIA_TYPE, Extract
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.runs.redaction import without_values
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.lock import Lock
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.published import fetch_extract, latest_window, load_manifest
from aggregation_pipeline.tempfiles.working_directory import working_directory

# Where the values of assets other than tables lie.
_ASSETS: Final = "_assets"
# Definition metadata by which an asset says of which entry it is.
TABLE_METADATA: Final = "aggregation/table"


class OSSIOManager(IOManager):
    """Publish tables' windows, and whatever other assets of the project return; load both.

    An asset of your own may return a pandas DataFrame or an Arrow table, stored as Parquet. It may take a table of the
    pipeline, or what another such asset returned, as either of the two (by the annotation of its parameter;
    `metadata={"dataset": "detail"}` on its AssetIn asks for the detail rows); and a table's manifest as a `Manifest`.
    Of a partitioned table it gets the partitions that it depends on, one after the other; as a `Manifest`, that of the
    last.

    Args:
        store: the bucket or the folder.
        prefix: what all keys begin with; empty for none.
        temp_dir: local folder for files on their way.
        options: how formats write values.
        link_seconds: how long the download links live that assets' metadata holds; None for no links there.
        entries: of the tables, by name: rows that were read before a mask was written are not handed on.
    """

    def __init__(
        self,
        store: ObjectStore,
        prefix: str,
        temp_dir: Path,
        options: FormatOptions,
        link_seconds: int | None = None,
        entries: Mapping[str, TableEntry] = MappingProxyType({}),
    ) -> None:
        self.store = store
        self.link_seconds = link_seconds
        self.prefix = prefix
        self._temp_dir = temp_dir
        self._options = options
        self._entries = entries

    def publication(
        self,
        run_id: str,
        lock: Lock,
        options: FormatOptions | None = None,
        *,
        names: Names = "copy",
    ) -> Publication:
        """Return what the core needs to publish for `run_id`; `options` where a table's files are written its own
        way.
        """
        return Publication(self.store, self.prefix, run_id, options or self._options, self._temp_dir, lock, names)

    @without_values
    def handle_output(self, context: OutputContext, obj: Any) -> None:  # noqa: ANN401
        """Publish what an asset returned.

        Raises:
            StorageError: it is neither a DataFrame nor an Arrow table.
        """
        if obj is None:
            return
        if isinstance(obj, pd.DataFrame):
            obj = pa.Table.from_pandas(obj, preserve_index=False)
        if not isinstance(obj, pa.Table):
            raise StorageError(
                f"asset {context.asset_key.to_user_string()} returned a {type(obj).__name__}; a pandas DataFrame or a"
                " pyarrow Table is expected. An asset that stores its result by itself returns None or a"
                " MaterializeResult."
            )
        key = self._asset_key(context)
        with working_directory(self._temp_dir) as directory:
            path = directory / "asset.parquet"
            pq.write_table(obj, path, compression="zstd")
            stored = self.store.put(key, path, media_type=PARQUET_MEDIA_TYPE)
        context.add_output_metadata(
            {"dagster/row_count": obj.num_rows, "dagster/uri": self.store.uri(key), "bytes": stored.bytes}
        )

    @without_values
    def load_input(self, context: InputContext) -> Any:  # noqa: ANN401
        """Load what an upstream asset published, as the parameter's annotation asks.

        Raises:
            StorageError: nothing is published there yet, masks have changed since, or the annotation is of another
                kind.
        """
        wanted = context.dagster_type.typing_type
        upstream = context.upstream_output
        table = (upstream.definition_metadata or {}).get(TABLE_METADATA) if upstream is not None else None
        manifests = [] if table is None else self._manifests(context, table)
        if wanted is Manifest and table is not None:
            return manifests[-1]
        if table is not None:
            loaded = self.load_rows(table, manifests, (context.definition_metadata or {}).get("dataset"))
        else:
            with working_directory(self._temp_dir) as directory:
                path = directory / "asset.parquet"
                self.store.get(self._asset_key(context), path)
                loaded = pq.read_table(path)
        if wanted is pa.Table:
            return loaded
        if wanted in (pd.DataFrame, Any):
            # Arrow-backed columns: a DECIMAL stays a decimal and an integer with NULLs stays an integer.
            return loaded.to_pandas(types_mapper=pd.ArrowDtype)
        raise StorageError(
            f"input {context.name!r} is annotated as {wanted}; annotate it as pandas.DataFrame, pyarrow.Table or, for a"
            " table, Manifest."
        )

    def load_rows(self, table: str, manifests: Sequence[Manifest], dataset: str | None) -> pa.Table:
        """Load the rows of windows of an entry, one window after the other. `dataset`: None for its only one.

        Raises:
            StorageError: there is no such dataset, the stored rows have expired, or masks have changed since they were
                read.
        """
        for manifest in manifests if table in self._entries else ():
            refuse_other_masks(self._entries[table], manifest)
        with working_directory(self._temp_dir) as directory:
            extracts = (
                fetch_extract(self.store, manifest, directory / str(number))
                for number, manifest in enumerate(manifests)
            )
            return pa.concat_tables([pq.read_table(_dataset_path(extract, dataset)) for extract in extracts])

    def _manifests(self, context: InputContext, table: str) -> list[Manifest]:
        """The manifests of the upstream partitions, in order; of the newest window where the table has none."""
        if not context.has_asset_partitions:
            return [self.latest_manifest(table)]
        found = {key: load_manifest(self.store, self.prefix, table, key) for key in context.asset_partition_keys}
        missing = [key for key, manifest in found.items() if manifest is None]
        if missing:
            raise StorageError(
                f"table {table!r} is not published for {', '.join(missing[:20])}. Materialize these partitions first."
            )
        return [manifest for manifest in found.values() if manifest is not None]

    def latest_manifest(self, table: str) -> Manifest:
        """Return the manifest of the newest window of an entry.

        Raises:
            StorageError: there is none.
        """
        window = latest_window(self.store, self.prefix, table)
        manifest = None if window is None else load_manifest(self.store, self.prefix, table, window)
        if manifest is None:
            raise StorageError(f"table {table!r} has no published window yet. Materialize the table first.")
        return manifest

    def _asset_key(self, context: InputContext | OutputContext) -> str:
        return (
            "/".join([*([self.prefix] if self.prefix else []), _ASSETS, *map(segment, context.get_asset_identifier())])
            + ".parquet"
        )


def _dataset_path(extract: Extract, wanted: str | None) -> Path:
    by_name = {dataset.name: dataset.path for dataset in extract.datasets}
    if wanted is None:
        return extract.datasets[0].path
    if wanted not in by_name:
        raise StorageError(f"table {extract.table!r} has no dataset {wanted!r}; it has {', '.join(by_name)}.")
    return by_name[wanted]

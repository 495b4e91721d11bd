"""Our side: the rows of a published window, exactly as its manifest names them."""

from dataclasses import dataclass
from pathlib import Path

from aggregation_pipeline.comparison.values.kinds import Column, column_of
from aggregation_pipeline.config.columns import ALL_COLUMNS
from aggregation_pipeline.config.entry_query import output_sql
from aggregation_pipeline.config.sql.trees import returns_cell_values
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ComparisonError
from aggregation_pipeline.export.published import refuse_other_masks
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.manifest import Manifest, ManifestDataset
from aggregation_pipeline.storage.published import dataset_in, fetch_extract, fetch_window, load_manifest


@dataclass(frozen=True)
class Ours:
    """One dataset of a published window.

    Attributes:
        dropped: the outputs that a mask leaves out.
    """

    dataset: Dataset
    columns: tuple[Column, ...]
    dropped: frozenset[str]


def our_dataset(store: ObjectStore, prefix: str, entry: TableEntry, window: str, directory: Path) -> Ours:
    """Download the dataset that stands for the Node service's one query: the summary, if the entry has one.

    Raises:
        ComparisonError: the window is not published, or neither its extract nor a Parquet file is stored.
        StorageError: the masks have changed since, or the store refuses.
    """
    manifest = load_manifest(store, prefix, entry.name, window)
    if manifest is None:
        raise ComparisonError(
            f"table {entry.name!r}: window {window} is not published. `aggregation-pipeline files --table {entry.name}`"
            " lists those that are."
        )
    refuse_other_masks(entry, manifest)
    name = entry.datasets[0]
    described = next((each for each in manifest.datasets if each.name == name), None)
    if described is None:
        raise ComparisonError(
            f"table {entry.name!r}, window {window}: no {name} is published, but the entry has one now. Materialize the"
            " window again."
        )
    dataset = _fetched(store, manifest, described, directory)
    dropped = frozenset(column for column, rule in described.masks.items() if rule == "drop")
    plain = _plain_outputs(entry)
    columns = tuple(
        column_of(field, described.masks.get(field.name, ""), is_plain=plain is None or field.name in plain)
        for field in dataset.schema
    )
    return Ours(dataset, columns, dropped)


def _fetched(store: ObjectStore, manifest: Manifest, described: ManifestDataset, directory: Path) -> Dataset:
    """The stored extract, which is exact; where it has expired, the published Parquet file."""
    if store.head(described.extract.key) is not None:
        only = manifest.model_copy(update={"datasets": (described,)})
        return fetch_extract(store, only, directory).datasets[0]
    file = next((each for each in manifest.files if (each.format, each.dataset) == ("parquet", described.name)), None)
    if file is None:
        raise ComparisonError(
            f"table {manifest.table!r}, window {manifest.window}: its extract has expired (EXTRACT_KEEP_DAYS), and no"
            " Parquet is published; JSON, CSV and Excel do not say which text is a DATE, a DECIMAL or JSON in MySQL."
            " Compare a newer window, or let the entry write parquet too."
        )
    (path,) = fetch_window(store, manifest.model_copy(update={"files": (file,)}), directory)
    return dataset_in(path, described)


def _plain_outputs(entry: TableEntry) -> frozenset[str] | None:
    """The outputs that show a column as it is; None for all of them."""
    outputs = [output for _, output in entry.query.outputs]
    if any(field.expr == ALL_COLUMNS for field in entry.select_fields):
        return None
    return frozenset(output.name for output in outputs if returns_cell_values(output_sql(output), output.dialect))

"""The asset keys of a table, by the name of its entry. `runs/asset_keys.py` decides their form."""

from collections.abc import Iterable

from dagster import AssetKey

from aggregation_pipeline.runs.asset_keys import MANIFEST, export_path, segment, source_path, table_path


def source_key(database: str, table: str, source: str | None = None) -> AssetKey:
    """Key of a source table: `mysql/<db>/<table>`, or `mysql/<source>/<db>/<table>` where the source has a name."""
    return AssetKey(source_path(database, table, source))


def table_key(name: str) -> AssetKey:
    """Key of the table's own asset: `aggregation/<name>`."""
    return AssetKey(table_path(segment(name)))


def export_key(name: str, format_name: str) -> AssetKey:
    """Key of the asset of one format: `export/<name>_<format>`."""
    return AssetKey(export_path(segment(name), format_name))


def manifest_key(name: str) -> AssetKey:
    """Key of the manifest's asset, which is materialized last and stands for the whole window."""
    return AssetKey(export_path(segment(name), MANIFEST))


def keys_of_table(name: str, formats: Iterable[str]) -> list[AssetKey]:
    """Keys of all assets of a table that is exported in these formats."""
    return [table_key(name), *(export_key(name, each) for each in formats), manifest_key(name)]

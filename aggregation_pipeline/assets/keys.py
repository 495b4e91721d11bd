"""The asset keys of a table, by its name in aggregation.yaml."""

from dagster import AssetKey

from aggregation_pipeline.runs.asset_keys import MANIFEST, export_path, segment, source_path, table_path


def source_key(database: str, table: str) -> AssetKey:
    """Key of a source table: `mysql/<db>/<table>`."""
    return AssetKey(source_path(database, table))


def table_key(name: str) -> AssetKey:
    """Key of a table's asset: `aggregation/<name>`."""
    return AssetKey(table_path(segment(name)))


def export_key(name: str, output: str) -> AssetKey:
    """Key of one of its formats, or of its `manifest`: `export/<name>_<output>`."""
    return AssetKey(export_path(segment(name), output))


def manifest_key(name: str) -> AssetKey:
    """Key of the manifest, which is materialized last and speaks for the whole window."""
    return export_key(name, MANIFEST)

"""The asset keys of a table, by the name of its entry. `runs/asset_keys.py` decides their form."""

from collections.abc import Iterable
from typing import NamedTuple

from dagster import AssetKey

from aggregation_pipeline.runs.asset_keys import MANIFEST, export_path, segment, source_path, table_path


class TableKeys(NamedTuple):
    """The keys of a table's assets.

    Attributes:
        name: of its entry.
        prefix: that all of them begin with.
    """

    name: str
    prefix: tuple[str, ...] = ()

    @property
    def table(self) -> AssetKey:
        """Of the table's own asset."""
        return AssetKey([*self.prefix, *table_path(segment(self.name))])

    @property
    def manifest(self) -> AssetKey:
        """Of the manifest's asset, which is materialized last and stands for the whole window."""
        return AssetKey([*self.prefix, *export_path(segment(self.name), MANIFEST)])

    def export(self, format_name: str) -> AssetKey:
        """Of the asset of one format."""
        return AssetKey([*self.prefix, *export_path(segment(self.name), format_name)])

    def every(self, formats: Iterable[str]) -> list[AssetKey]:
        """Of all assets of a table that is exported in these formats."""
        return [self.table, *map(self.export, formats), self.manifest]


def source_key(*place: str, source: str | None = None, prefix: tuple[str, ...] = (), kind: str = "mysql") -> AssetKey:
    """Key of a source table: `mysql/<db>/<table>`, or `mysql/<source>/<db>/<table>` where the source has a name.

    Of a kind with schemas it is `postgresql/<db>/<schema>/<table>`.
    """
    return AssetKey([*prefix, *source_path(place, source=source, kind=kind)])


def table_key(name: str) -> AssetKey:
    """Key of the table's own asset: `aggregation/<name>`."""
    return TableKeys(name).table


def export_key(name: str, format_name: str) -> AssetKey:
    """Key of the asset of one format: `export/<name>_<format>`."""
    return TableKeys(name).export(format_name)


def manifest_key(name: str) -> AssetKey:
    """Key of the manifest's asset, which is materialized last and stands for the whole window."""
    return TableKeys(name).manifest


def keys_of_table(name: str, formats: Iterable[str]) -> list[AssetKey]:
    """Keys of all assets of a table that is exported in these formats."""
    return TableKeys(name).every(formats)

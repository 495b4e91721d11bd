"""The resource `io_manager`. What stores and loads is imported by runs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dagster import InitResourceContext, IOManager, IOManagerDefinition, io_manager

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.resources.heartbeat import HEARTBEAT
from aggregation_pipeline.resources.publisher import Publisher

# The folder of the values that users' own assets return.
_ASSETS_FOLDER: Final = "_assets"


def build_io_manager(
    publisher: Publisher, entries: Mapping[str, TableEntry] = MappingProxyType({}), heartbeat: str = HEARTBEAT
) -> IOManagerDefinition:
    """Build the resource. Runs of users' own assets get their heartbeat through it.

    Args:
        publisher: where the tables are published.
        entries: of the tables, by name.
        heartbeat: the key of that resource.
    """

    @io_manager(
        required_resource_keys={heartbeat},
        description="Stores what your own assets return, on OSS or in the folder; loads it, and tables, for others.",
    )
    def resource(_context: InitResourceContext) -> IOManager:
        from aggregation_pipeline.io_managers.oss import ValuesIOManager
        from aggregation_pipeline.io_managers.tables import PublishedTables

        prefix = "/".join([*filter(None, [publisher.prefix]), _ASSETS_FOLDER])
        return ValuesIOManager(publisher.store, prefix, publisher.temp_dir, PublishedTables(publisher, entries))

    return resource

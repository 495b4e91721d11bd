"""The resource `io_manager`. What stores and loads is imported by runs."""

from collections.abc import Mapping
from types import MappingProxyType

from dagster import InitResourceContext, IOManager, IOManagerDefinition, io_manager

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.resources.heartbeat import HEARTBEAT
from aggregation_pipeline.resources.publisher import Publisher


def build_io_manager(
    publisher: Publisher, entries: Mapping[str, TableEntry] = MappingProxyType({})
) -> IOManagerDefinition:
    """Build the resource. Runs of users' own assets get their heartbeat through it.

    Args:
        publisher: where the tables are published.
        entries: of the tables, by name.
    """

    @io_manager(
        required_resource_keys={HEARTBEAT},
        description="Stores what your own assets return, on OSS or in the folder; loads it, and tables, for others.",
    )
    def resource(_context: InitResourceContext) -> IOManager:
        from aggregation_pipeline.io_managers.oss import OSSIOManager

        return OSSIOManager(publisher, entries)

    return resource

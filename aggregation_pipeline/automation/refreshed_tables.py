"""Which tables are refreshed, and by which job."""

from collections.abc import Sequence
from dataclasses import dataclass

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.automation.job_groups import Group


@dataclass(frozen=True)
class RefreshedTable:
    """A table with `refresh`, and the group whose job runs it."""

    table: ConfiguredTable
    group: Group

    @property
    def name(self) -> str:
        """The name of the entry."""
        return self.table.entry.name


def refreshed_tables(groups: Sequence[Group]) -> list[RefreshedTable]:
    """Return the tables of these groups that are refreshed."""
    return [
        RefreshedTable(table, group)
        for group in groups
        for table in group.tables
        if table.entry.refresh is not None and table.partitions is not None and table.entry.issues is None
    ]

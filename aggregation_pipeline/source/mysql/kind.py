"""MySQL and its kin as a kind of source. Each method imports what does its work: most processes need little of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.source_kinds import ABILITIES
from aggregation_pipeline.config.sql.mysql import MYSQL
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.findings import Finding
from aggregation_pipeline.source.kind import HealthCheck, OtherSource, SourceKind
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.read_plan import ReadPlan
from aggregation_pipeline.source.request import SILENT, Listener, ReadRequest
from aggregation_pipeline.source.table_state import StateQuestion, TableState
from aggregation_pipeline.source.time_range import TimeRange

if TYPE_CHECKING:
    from aggregation_pipeline.extract import Extract
    from aggregation_pipeline.source.catalogue import Catalogue


class MySQLKind(SourceKind):
    """MySQL, MariaDB, and servers that speak their protocol."""

    name = "mysql"
    title = "MySQL"
    dialect = MYSQL
    abilities = ABILITIES
    port = 3306
    schemes = frozenset(("mysql", "mariadb"))
    # Host, user, password, database.
    login_errors = frozenset((1044, 1045, 1049, 1130, 1251, 1698, 3118, 3159))

    def read_extract(
        self,
        request: ReadRequest,
        options: SourceOptions,
        directory: Path,
        listener: Listener = SILENT,
    ) -> "Extract":
        """Read the datasets; see `reader.py`."""
        from aggregation_pipeline.source.mysql.reader import read_extract

        return read_extract(
            request,
            options,
            directory,
            listener.progress,
            listener.warn,
            listener.note,
            listener.arrivals,
            listener.part,
        )

    def plan_read(self, request: ReadRequest, options: SourceOptions, plan: ReadPlan) -> None:
        """Fill the plan; see `read_plan.py`."""
        from aggregation_pipeline.source.mysql.read_plan import plan_read

        plan_read(request, options, plan)

    def health_check(self, options: SourceOptions, seconds: int) -> HealthCheck:
        """Return the check; see `health.py`."""
        from aggregation_pipeline.source.mysql.health import MySQLCheck

        return MySQLCheck(options, seconds)

    def table_states(
        self, options: SourceOptions, zone: ZoneInfo, questions: Sequence[StateQuestion]
    ) -> Iterator[TableState | SourceError]:
        """Yield the states; see `table_state.py`."""
        from aggregation_pipeline.source.mysql.table_state import table_states

        return table_states(options, zone, questions)

    def read_keys(
        self,
        entry: TableEntry,
        ranges: Sequence[TimeRange],
        options: SourceOptions,
        *,
        seconds: int,
        zone_of: ReadRequest,
    ) -> Mapping[str, str]:
        """Read the keys; see `refresh_keys.py`."""
        from aggregation_pipeline.source.mysql.refresh_keys import read_keys

        return read_keys(entry, ranges, options, seconds=seconds, zone_of=zone_of)

    def open_catalogue(
        self, options: SourceOptions, *, now: datetime, zone: ZoneInfo, limits: SourceLimits
    ) -> AbstractContextManager["Catalogue"]:
        """Open the catalogue; see `catalogue.py`."""
        from aggregation_pipeline.source.mysql.catalogue import open_catalogue

        return open_catalogue(options, now=now, zone=zone, limits=limits)

    def examine(
        self, options: SourceOptions, zone: ZoneInfo, entries: Sequence[TableEntry], others: Sequence[OtherSource]
    ) -> Iterator[Finding]:
        """Yield the findings; see `examination.py`."""
        from aggregation_pipeline.source.mysql.examination import examine

        return examine(options, zone, entries, others)


MYSQL_KIND: Final = MySQLKind()

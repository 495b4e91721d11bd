"""PostgreSQL as a kind of source."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.findings import Finding
from aggregation_pipeline.source.kind import OtherSource, SourceKind
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.read_plan import ReadPlan
from aggregation_pipeline.source.request import SILENT, Listener, ReadRequest
from aggregation_pipeline.source.table_state import StateQuestion, TableState
from aggregation_pipeline.source.time_range import TimeRange

if TYPE_CHECKING:
    from aggregation_pipeline.extract import Extract
    from aggregation_pipeline.source.catalogue import Catalogue

# The search path of every session, and with it the schema of tables whose names say none.
SCHEMA: Final = "public"
_MODULES: Final = {"adbc_driver_postgresql": "aggregation-pipeline[postgresql]"}


class PostgreSQLKind(SourceKind):
    """PostgreSQL 14 and newer, through ADBC. It reads single tables."""

    name = "postgresql"
    title = "PostgreSQL"
    dialect = POSTGRESQL
    port = 5432
    schema = SCHEMA
    schemes = frozenset(("postgresql", "postgres"))
    modules = _MODULES
    login_errors = frozenset(("28000", "28P01", "3D000", "42501"))
    abilities = frozenset(("init", "refresh"))

    def read_extract(
        self,
        request: ReadRequest,
        options: SourceOptions,
        directory: Path,
        listener: Listener = SILENT,
    ) -> "Extract":
        """Read all datasets of one entry and window into `directory`."""
        from aggregation_pipeline.source.postgresql.reader import read_extract

        return read_extract(
            request, options, directory, listener.progress, listener.warn, listener.note, listener.arrivals
        )

    def plan_read(self, request: ReadRequest, options: SourceOptions, plan: ReadPlan) -> None:
        """Fill the plan without reading a row."""
        from aggregation_pipeline.source.postgresql.read_plan import plan_read

        plan_read(request, options, plan)

    def health_check(self, options: SourceOptions, seconds: int) -> "_HealthCheck":
        """Return what asks the database whether it answers."""
        return _HealthCheck(options, seconds)

    def table_states(
        self, options: SourceOptions, zone: ZoneInfo, questions: Sequence[StateQuestion]
    ) -> Iterator[TableState | SourceError]:
        """Yield the states; see `table_state.py`."""
        from aggregation_pipeline.source.postgresql.table_state import table_states

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
        from aggregation_pipeline.source.postgresql.refresh_keys import read_keys

        return read_keys(entry, ranges, options, seconds=seconds, zone_of=zone_of)

    def open_catalogue(
        self, options: SourceOptions, *, now: datetime, zone: ZoneInfo, limits: SourceLimits
    ) -> AbstractContextManager["Catalogue"]:
        """Open the catalogue; see `catalogue.py`."""
        from aggregation_pipeline.source.postgresql.catalogue import open_catalogue

        del now
        return open_catalogue(options, zone=zone, limits=limits)

    def examine(
        self, options: SourceOptions, zone: ZoneInfo, entries: Sequence[TableEntry], others: Sequence[OtherSource]
    ) -> Iterator[Finding]:
        """Yield the findings; see `examination.py`."""
        from aggregation_pipeline.source.postgresql.examination import examine

        return examine(options, zone, entries, others)


@dataclass(frozen=True)
class _HealthCheck:
    """Connects anew each time: a kept connection would say nothing of whether the next run gets one."""

    options: SourceOptions
    seconds: int

    def __call__(self) -> None:
        """Ask; raises SourceError."""
        from dataclasses import replace

        from aggregation_pipeline.source.postgresql.session import open_session

        bounded = replace(self.options, connect_timeout=self.seconds, stall_timeout=self.seconds)
        with open_session(bounded, zone=ZoneInfo("UTC"), limits=SourceLimits(max_snapshot_seconds=self.seconds)):
            pass

    def close(self) -> None:
        """Nothing is open."""


POSTGRESQL_KIND: Final = PostgreSQLKind()

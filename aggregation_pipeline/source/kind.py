"""A kind of source: all that the rest of the package asks of a database, whatever it is.

A kind is an object that an entry point of the group `aggregation_pipeline.sources` names. Its module is loaded when an
entry needs it; so it imports drivers only in its methods.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.masked_columns import MaskedColumns
from aggregation_pipeline.config.source_kinds import REQUIRED, Ability, cannot, kind_named
from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError, SourceError
from aggregation_pipeline.source.findings import Finding, failure, ok
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.read_plan import ReadPlan
from aggregation_pipeline.source.request import SILENT, Listener, ReadRequest
from aggregation_pipeline.source.table_state import StateQuestion, TableState
from aggregation_pipeline.source.time_range import TimeRange

if TYPE_CHECKING:
    from aggregation_pipeline.extract import Extract
    from aggregation_pipeline.source.catalogue import Catalogue


NO_MODULES: Final[Mapping[str, str]] = {}


class HealthCheck(Protocol):
    """Asks a database whether it answers, again and again."""

    def __call__(self) -> None:
        """Ask.

        Raises:
            SourceError: it does not answer, or refuses the account.
        """

    def close(self) -> None:
        """Close what is open."""


@dataclass(frozen=True)
class OtherSource:
    """Another source of the same kind, as `examine` is told of it.

    Attributes:
        title: what people call it: `the source crm`.
        masked: what its entries mask.
    """

    title: str
    options: SourceOptions
    masked: MaskedColumns


class SourceKind(ABC):
    """What reads a kind of database. Objects hold no connection and can be used by several threads.

    Attributes:
        name: as `kind` has it: mysql. It stands in asset keys, so it never changes.
        title: as people have it: MySQL.
        dialect: of its SQL.
        abilities: what it can do of what not every kind can.
        required: the keys that a source of the kind needs. With `host` in it a socket will do too.
        port: where its servers listen, unless a port is given.
        schema: where a table is whose name says no schema; empty where what stands before a table's name is a database.
        schemes: of URLs that `init` takes: mysql in mysql://user@host/database.
        modules: what its methods import that may not be installed, with what to install for it.
        login_errors: codes of errors that are about the connection or the account, not about a table.
    """

    name: str
    title: str
    dialect: Dialect
    abilities: frozenset[Ability] = frozenset()
    required: tuple[str, ...] = REQUIRED
    port: int = 0
    schema: str = ""
    schemes: frozenset[str] = frozenset()
    modules: Mapping[str, str] = NO_MODULES
    login_errors: frozenset[int | str] = frozenset()

    @abstractmethod
    def read_extract(
        self,
        request: ReadRequest,
        options: SourceOptions,
        directory: Path,
        listener: Listener = SILENT,
    ) -> "Extract":
        """Read all datasets of one entry and window into `directory`, as `summary.parquet` and `detail.parquet`.

        All rows are of one moment, unless the entry says `consistency: none`. Nothing stays on disk after a failure.

        Args:
            request: what to read.
            options: the database.
            directory: where the files go.
            listener: hears how it goes, and is handed the rows while they are read.

        Raises:
            SourceLostError: the server went away; the call can be repeated.
            SnapshotError: the rows would not be of one moment.
            SourceError: the server refused a statement, or reading would exceed `source_limits`.
            RowCountError: the rows that came are not as many as the server counted.
        """

    @abstractmethod
    def plan_read(self, request: ReadRequest, options: SourceOptions, plan: ReadPlan) -> None:
        """Fill the plan without reading a row; if something is refused, the plan keeps what was known before.

        Raises:
            SourceError: the read would fail, for this reason.
        """

    @abstractmethod
    def health_check(self, options: SourceOptions, seconds: int) -> HealthCheck:
        """Return what asks the database whether it answers, each time in so many seconds at most."""

    def table_states(
        self, options: SourceOptions, zone: ZoneInfo, questions: Sequence[StateQuestion]
    ) -> Iterator[TableState | SourceError]:
        """Yield the state of each table in turn, or why it cannot be told; cheap for tables of any size.

        Raises:
            SourceLostError: no connection.
        """
        del options, zone
        yield from (TableState() for _ in questions)

    def read_keys(
        self,
        entry: TableEntry,
        ranges: Sequence[TimeRange],
        options: SourceOptions,
        *,
        seconds: int,
        zone_of: ReadRequest,
    ) -> Mapping[str, str]:
        """Return for each partition what the `refresh_key` of an extract would be now.

        Args:
            entry: with `refresh`.
            ranges: the partitions, in their order, one after the other.
            options: the database.
            seconds: how long it may take.
            zone_of: a request of the table; its zone and logical time are those of the session.

        Raises:
            SourceLostError: the server went away.
            SourceError: no index leads to the rows, and the entry does not allow a scan; or the key is refused.
        """
        del entry, ranges, options, seconds, zone_of
        raise SourceError(cannot(self.name, "refresh"))

    def open_catalogue(
        self, options: SourceOptions, *, now: datetime, zone: ZoneInfo, limits: SourceLimits
    ) -> AbstractContextManager["Catalogue"]:
        """Open a session that tells `init` of tables; `limits` hold for each of its statements.

        Raises:
            SourceError: there is no way to the database.
        """
        del options, now, zone, limits
        raise SourceError(cannot(self.name, "init"))

    def examine(
        self, options: SourceOptions, zone: ZoneInfo, entries: Sequence[TableEntry], others: Sequence[OtherSource]
    ) -> Iterator[Finding]:
        """Yield what `check` finds of a database, of the account, and of the tables of its entries.

        Messages name the variables as those of the database without a name: DB_HOST.

        Args:
            options: of the database, with short limits on time.
            zone: whose clock its entries follow.
            entries: those that read it.
            others: the other sources of the kind that entries read.

        Raises:
            SourceLostError: there is no way to it.
        """
        del zone, entries, others
        check = self.health_check(options, options.connect_timeout)
        try:
            check()
        except SourceError as error:
            yield failure("reach", str(error))
        else:
            yield ok("reach", f"{options.where} answers")
        finally:
            check.close()


def called(source: str | None) -> str:
    """What people call a source, by its name."""
    return f"the source {source}" if source else "the database without a name"


def source_kind(name: str) -> SourceKind:
    """Return a kind by its name.

    Raises:
        ConfigError: there is none, or it cannot be loaded.
    """
    kind = kind_named(name)
    if not isinstance(kind, SourceKind):
        raise ConfigError(f"the kind of source {name} is {kind!r}, and a SourceKind is expected")
    return kind


def kind_of(options: SourceOptions) -> SourceKind:
    """Return the kind of a source.

    Raises:
        ConfigError: as for `source_kind`.
    """
    return source_kind(options.kind)

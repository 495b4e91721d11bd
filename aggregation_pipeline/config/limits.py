"""How much load an export may put on the source database: for the project, and for one table."""

from typing import Annotated, Final, Literal

from pydantic import Field

from aggregation_pipeline.config.base_model import ConfigModel

# More is surely meant otherwise, and the limits of some servers overflow.
_WEEK: Final = 604_800

Seconds = Annotated[int, Field(ge=1, le=_WEEK)]


class SourceLimits(ConfigModel):
    """`source_limits:` what keeps an export from slowing down the database that it reads."""

    timeout_seconds: Seconds = 1800
    """How long one statement may take. The server itself ends it (max_execution_time, max_statement_time,
    ob_query_timeout).
    """
    lock_wait_seconds: Seconds = 60
    """How long to wait behind an ALTER TABLE or LOCK TABLES. After that the table fails, so that other statements do
    not queue behind the export.
    """
    max_snapshot_seconds: Seconds = 3600
    """How long the snapshot of one table may stay open, both datasets together. Meanwhile the server keeps all old row
    versions, and an ALTER of the table waits. After that the read is ended, and nothing is published.
    """
    max_rows: Annotated[int, Field(ge=1)] | None = None
    """A dataset with more rows fails, before they are read if they can be counted. Unlike limit, this never shortens a
    dataset. Default: no bound.
    """
    max_scan_rows: Annotated[int, Field(ge=1)] = 10_000_000
    """The server's own estimate (EXPLAIN) of the rows that it scans for a dataset. on_scan says what happens above it.
    """
    readers: Annotated[int, Field(ge=1, le=8)] = 1
    """How many connections may read the detail rows of one large table, in ranges and from one snapshot.
    PostgreSQL only: other servers cannot share a snapshot, and read with one.
    """
    on_scan: Literal["warn", "error"] = "warn"
    """What happens if the estimate is above max_scan_rows, or if no index serves the where on a table of 100,000 rows
    and more. warn: the run's log says so. error: the table fails before anything is read.
    """

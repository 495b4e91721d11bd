"""How much an export may ask of the source database: for the whole project, and for one table."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from aggregation_pipeline.config.options import OptionsModel

# A week: beyond it a number of seconds is a issue, and some servers' limits overflow.
_LONGEST = 604_800

Seconds = Annotated[int, Field(ge=1, le=_LONGEST)]


class SourceLimits(OptionsModel):
    """`source_limits:` what keeps an export from weighing on the database that it reads."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    timeout_seconds: Seconds = 1800
    """The longest that one statement may take; the server itself ends it (max_execution_time, max_statement_time,
    ob_query_timeout).
    """
    lock_wait_seconds: Seconds = 60
    """How long to wait behind an ALTER TABLE or LOCK TABLES before giving up, so that the export is never part of a
    long queue.
    """
    max_snapshot_seconds: Seconds = 3600
    """The longest that the snapshot of one table may stay open, both datasets together: while it does, the server can
    throw away no old row versions, and an ALTER of the table waits. The read is broken off, and nothing is published.
    """
    max_rows: Annotated[int, Field(ge=1)] | None = None
    """A dataset with more rows fails, before they are read where they can be counted. Unlike limit it cuts nothing.
    Default: no bound.
    """
    max_scan_rows: Annotated[int, Field(ge=1)] = 10_000_000
    """The server's own estimate (EXPLAIN) of the rows that it goes through for a dataset; more than that is what
    on_scan says.
    """
    on_scan: Literal["warn", "error"] = "warn"
    """What follows from an estimate above max_scan_rows, or from a where to whose rows no index leads on a table of
    100,000 rows and more: warn writes it into the run's log, error fails the table before anything is read.
    """

"""Every failure that a user of the pipeline can meet, as one tree.

    PipelineError
    ├── ConfigError              aggregation.yaml: all issues of the file in one message
    ├── SettingsError            the environment or .env: missing, half-configured or malformed
    ├── ImportNodeError          a Node project, or its rules, cannot be read
    ├── SourceError              MySQL refused a statement, and would refuse it again
    │   ├── SourceLostError      the connection or the server went away: worth a retry        (retryable)
    │   ├── SnapshotError        no consistent snapshot is to be had for two datasets
    │   └── RowCountError        the rows that arrived are not the rows that the server counted
    ├── CheckError               the rows are not as the entry's checks expect, and those checks are blocking
    ├── FormatError              a value has no representation in the format asked for
    ├── StorageError             the store refused an operation, and would refuse it again
    │   ├── StorageBusyError     a network fault or a 5xx that may pass                        (retryable)
    │   ├── StorageMissingError  there is no object of that key to read
    │   ├── StorageDeniedError   this key or account may not do it: nothing is known of the object
    │   ├── StorageDamagedError  an object was read to its end, and is not what it should be
    │   └── StorageNewerError    a newer version of this package wrote it, in a format that this one does not know
    ├── ComparisonError          what the Node service wrote, or what we published, cannot be compared
    ├── LockError                the one-at-a-time lock of a table's window was lost
    ├── BrokerError              Redis, which hands runs to workers, refuses us
    │   └── BrokerBusyError      it does not answer for the moment                             (retryable)
    ├── LaunchError              runs that somebody asked for over HTTP are not launched
    │   ├── UnfinishedError      a run that is not finished yet writes one of the windows
    │   └── NotReadyError        the code or PostgreSQL does not answer for the moment         (retryable)
    ├── AlertError               an alert could not be written down or delivered; it waits         (retryable)
    ├── AccessError              an account, a token, a session or AUTH_FILE was refused
    │   └── AccessBusyError      PostgreSQL does not answer, or too many sign in at once      (retryable)
    ├── UnexpectedError          a bug in this package or in a library: type and place, without its message
    └── MirrorError              batch_jobs refused a row, and would refuse it again
        └── MirrorBusyError      batch_jobs cannot be reached for the moment                   (retryable)

A message names the entry, the key, what was expected, the likely cause and the remedy. It never holds a secret or the
value of a cell. An error is `retryable` if the same call may succeed later without any change; the retry policy asks
for that.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

_PROGRAM: Final = re.compile(r"aggregation-pipeline [0-9A-Za-z.+-]{1,40}")


def this_program() -> str:
    """Return name and version of this package, as what it stores says who wrote it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("aggregation-pipeline")
    except PackageNotFoundError:
        # It runs from a folder, or is being installed anew: no reason for a run to fail.
        number = "unknown"
    return f"aggregation-pipeline {number}"


def newer_format(what: str, found: int, known: int, written_by: object = None) -> str:
    """Return the message about something stored of a format that this version does not know.

    `written_by` is what the thing itself says of its program; it is repeated only if it looks like one.
    """
    said = written_by if isinstance(written_by, str) and _PROGRAM.fullmatch(written_by) else ""
    return (
        f"{what} is of format {found}, which {said or 'a newer aggregation-pipeline'} wrote. This is {this_program()},"
        f" which knows formats up to {known}, so it leaves it as it is. Upgrade this program: docs/operations.md says"
        " how"
    )


class PipelineError(Exception):
    """Base of all errors that this package raises on purpose."""

    retryable: ClassVar[bool] = False


class ConfigError(PipelineError):
    """aggregation.yaml cannot be used; the message lists every issue with file, line and column."""


class SettingsError(PipelineError):
    """The environment cannot be used; the message names the variables."""


class ImportNodeError(PipelineError):
    """A Node project cannot be taken over; the message names its file and says what to do instead."""


class SourceError(PipelineError):
    """The source database refused a statement.

    Attributes:
        code: the server's own number for it; None where the refusal is ours.
        named: the names in the server's message that are known to be names, in order.
        shard: the table that was read, if it is one of several; else empty.
    """

    code: int | str | None = None
    named: Sequence[str] = ()
    shard: str = ""


class SourceLostError(SourceError):
    """The connection to the source database was lost."""

    retryable = True


class SnapshotError(SourceError):
    """The server cannot give the two datasets of a table one consistent view."""


class RowCountError(SourceError):
    """Fewer or more rows arrived than the server counted in the same snapshot."""


class CheckError(PipelineError):
    """A blocking check failed, so nothing was published. `check_results` are those of all checks of the window."""

    def __init__(self, message: str, check_results: Sequence[Any]) -> None:
        super().__init__(message)
        self.check_results = tuple(check_results)


class FormatError(PipelineError):
    """A value cannot be written in a format without changing it."""


class StorageError(PipelineError):
    """The object store refused an operation."""


class StorageBusyError(StorageError):
    """The object store cannot be reached, or does not work, for the moment."""

    retryable = True


class StorageMissingError(StorageError):
    """There is nothing to read under a key."""


class StorageDeniedError(StorageError):
    """We may not do this in the object store. An object that we may not read may exist, and be whole."""


class StorageDamagedError(StorageError):
    """An object was read to its end and is not what it should be. Only such an object may be replaced as useless."""


class StorageNewerError(StorageError):
    """An object is of a format that a newer version of this package made. It is neither used nor replaced."""


class ComparisonError(PipelineError):
    """A file of the Node service, or a published window, cannot be compared with the other side."""


class LockError(PipelineError):
    """The PostgreSQL session that held an advisory lock is gone, or another holds one that nobody should wait for."""


class BrokerError(PipelineError):
    """The broker that hands runs to workers refuses us."""


class BrokerBusyError(BrokerError):
    """The broker does not answer for the moment."""

    retryable = True


class LaunchError(PipelineError):
    """Runs that somebody asked for are not launched."""


class UnfinishedError(LaunchError):
    """Windows that somebody asked for are written by runs that are not finished.

    Attributes:
        tables_by_run: by the id of each such run, the tables that it has in common with what was asked for.
    """

    def __init__(self, message: str, tables_by_run: Mapping[str, Sequence[str]]) -> None:
        super().__init__(message)
        self.tables_by_run = tables_by_run


class NotReadyError(LaunchError):
    """Nothing can be launched for the moment."""

    retryable = True


class AlertError(PipelineError):
    """An alert could not be written down, or a channel did not take it."""

    retryable = True


class AccessError(PipelineError):
    """An account, a token, a session or AUTH_FILE cannot be used as asked."""


class AccessBusyError(AccessError):
    """Nothing is known about a session or a password for the moment."""

    retryable = True


class UnexpectedError(PipelineError):
    """An error that was not foreseen. Its message is left out, because it may hold the value of a cell."""


class UserCodeError(PipelineError):
    """An error of the user's own code, on its way through ours.

    Args:
        error: what is to be shown to the user as it is.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__("an error of the user's own code")
        self.error = error


class MirrorError(PipelineError):
    """A run could not be recorded in batch_jobs."""


class MirrorBusyError(MirrorError):
    """The PostgreSQL of batch_jobs does not answer: nothing is known about the row."""

    retryable = True

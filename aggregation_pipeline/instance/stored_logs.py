"""Compute logs in the store of the published files, through a folder of this machine."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from dagster import DagsterInstance
from dagster._core.storage.cloud_storage_compute_log_manager import (
    CloudStorageComputeLogManager,
    PollingComputeLogSubscriptionManager,
)
from dagster._core.storage.compute_log_manager import CapturedLogContext, CapturedLogSubscription, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from typing_extensions import override

from aggregation_pipeline.errors import PipelineError, StorageError
from aggregation_pipeline.settings.log_once import claim_log_line

if TYPE_CHECKING:
    from aggregation_pipeline.storage.run_logs import RunLogs

_log = logging.getLogger(__name__)

_MIB: Final = 1 << 20
# Of a log that is larger, the beginning is kept. Dagster has the same limit.
_MAX_BYTES: Final = 50 * _MIB
_POLL_SECONDS: Final = 5.0
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_BOTH: Final = (ComputeIOType.STDOUT, ComputeIOType.STDERR)


class StoredLogs(CloudStorageComputeLogManager[DagsterInstance]):
    """Logs that are written to a folder of this machine, sent to the store as they grow, and read from either.

    A log that cannot be sent stays in the folder and is reported once a minute. It never fails or delays a run for
    long.

    Args:
        logs: those in the store.
        folder: of this machine: captures at work, what could not be sent, and what the UI has fetched.
        keep: files of the folder that nobody has changed for so long are removed.
        interval: seconds between two uploads of a log that grows; 0 sends whole logs only.
    """

    def __init__(self, logs: "RunLogs", folder: Path, keep: timedelta, interval: int) -> None:
        self._logs = logs
        self._folder = folder
        self._keep = keep
        self._interval = interval
        self._local = LocalComputeLogManager(str(folder))
        self._subscriptions = _Subscriptions(self)  # type: ignore[no-untyped-call]
        self._sent: dict[str, int] = {}
        self._swept = float("-inf")

    @property
    def local_manager(self) -> LocalComputeLogManager:
        """The folder of this machine."""
        return self._local

    @property
    def upload_interval(self) -> int | None:
        """Seconds between two uploads of a log that grows."""
        return self._interval or None

    # Writing

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Capture what this process prints. The whole log is sent at the end, also of a run that is interrupted."""
        self._sweep_folder()
        ended = threading.Event()
        sender = threading.Thread(target=self._send_as_it_grows, args=(log_key, ended), name="logs", daemon=True)
        if self._interval:
            sender.start()
        try:
            with self._local.capture_logs(log_key) as context:
                yield context
        finally:
            ended.set()
            if self._interval:
                sender.join()
            self._on_capture_complete(log_key)

    @contextmanager
    def open_log_stream(self, log_key: Sequence[str], io_type: ComputeIOType) -> Iterator[IO[Any] | None]:
        """Let a schedule or sensor write to a log, which is sent if there is anything in it: most ticks say nothing."""
        with self._local.open_log_stream(log_key, io_type) as stream:
            yield stream
        if self._path(log_key, io_type).stat().st_size:
            self._on_capture_complete(log_key)
        else:
            self._local.delete_logs(log_key)

    def _on_capture_complete(self, log_key: Sequence[str]) -> None:
        try:
            for io_type in _BOTH:  # stderr last: that it is there says that the capture is complete
                self.upload_to_cloud_storage(log_key, io_type)
            for io_type in _BOTH:
                if self._sent.pop(key := self._key(log_key, io_type, partial=True), None) is not None:
                    self._logs.delete(key)
            self._local.delete_logs(log_key)
        except (PipelineError, OSError) as error:
            self._report(f"The log of run {log_key[0]} stays in {self._folder}: {error}")

    @override
    def upload_to_cloud_storage(self, log_key: Sequence[str], io_type: ComputeIOType, partial: bool = False) -> None:
        """Send one log as it is now.

        Raises:
            StorageError: it could not be stored.
        """
        path = self._path(log_key, io_type)
        if path.exists():
            with path.open("rb") as file:
                # In memory, because other processes of the run may still be writing into the file.
                text = file.read(_MAX_BYTES)
            self._logs.save(self._key(log_key, io_type, partial=partial), text)

    def on_progress(self, log_key: Sequence[str]) -> None:
        """Send what has grown by a tenth or, below a megabyte, at all: that bounds what a long log sends in total."""
        for io_type in _BOTH:
            path, key = self._path(log_key, io_type), self._key(log_key, io_type, partial=True)
            size, sent = path.stat().st_size if path.exists() else 0, self._sent.get(key, 0)
            if min(size, _MAX_BYTES) - sent > (sent // 10 if sent > _MIB else 0):
                self._sent[key] = min(size, _MAX_BYTES)
                self.upload_to_cloud_storage(log_key, io_type, partial=True)

    def _send_as_it_grows(self, log_key: Sequence[str], ended: threading.Event) -> None:
        while not ended.wait(self._interval):
            try:
                self.on_progress(log_key)
            except (PipelineError, OSError) as error:
                self._report(f"The log of run {log_key[0]} is not shown elsewhere as it grows: {error}")

    # Reading

    def get_log_data_for_type(
        self, log_key: Sequence[str], io_type: ComputeIOType, offset: int, max_bytes: int | None
    ) -> tuple[bytes | None, int]:
        """Return the log from `offset` on, and where it ends; nothing while the store does not answer."""
        try:
            path = self._readable(log_key, io_type)
        except (PipelineError, OSError) as error:
            self._report(f"The log of run {log_key[0]} cannot be read: {error}")
            path = None
        return (None, offset) if path is None else self._local.read_path(str(path), offset, max_bytes)

    def _readable(self, log_key: Sequence[str], io_type: ComputeIOType) -> Path | None:
        """Return the file of this machine that holds the log: its own, or one fetched for this."""
        path = self._path(log_key, io_type)
        if path.exists():
            return path
        if self.cloud_storage_has_logs(log_key, io_type):
            self.download_from_cloud_storage(log_key, io_type)
            return path if path.exists() else None
        partial, found = self._path(log_key, io_type, partial=True), self._find(log_key, io_type, partial=True)
        if found is not None and not (partial.exists() and partial.stat().st_size == found):
            self.download_from_cloud_storage(log_key, io_type, partial=True)
        return partial if partial.exists() else None

    @override
    def cloud_storage_has_logs(self, log_key: Sequence[str], io_type: ComputeIOType, partial: bool = False) -> bool:
        """Return whether the store has the log."""
        return self._find(log_key, io_type, partial=partial) is not None

    def _find(self, log_key: Sequence[str], io_type: ComputeIOType, *, partial: bool) -> int | None:
        """Return the size of a log in the store; None where there is none, or where it is not known."""
        try:
            found = self._logs.find(self._key(log_key, io_type, partial=partial))
        except StorageError as error:
            self._report(f"The log of run {log_key[0]} cannot be found: {error}")
            return None
        return None if found is None else found.bytes

    @override
    def download_from_cloud_storage(
        self, log_key: Sequence[str], io_type: ComputeIOType, partial: bool = False
    ) -> None:
        """Fetch a log into the folder of this machine, where Dagster's webserver looks for it."""
        self._sweep_folder()
        self._logs.fetch(self._key(log_key, io_type, partial=partial), self._path(log_key, io_type, partial=partial))

    def display_path_for_type(self, log_key: Sequence[str], io_type: ComputeIOType) -> str:
        """Return where the log is, for people."""
        return self._logs.address(self._key(log_key, io_type))

    def download_url_for_type(self, log_key: Sequence[str], io_type: ComputeIOType) -> str | None:
        """Return the path by which our webserver serves the log: a signed link would get past the sign-in."""
        return "/".join(["/logs", *log_key, IO_TYPE_EXTENSION[io_type]])

    # The end

    def delete_logs(self, log_key: Sequence[str] | None = None, prefix: Sequence[str] | None = None) -> None:
        """Delete one log, or all whose keys begin with `prefix`, here and in the store.

        Raises:
            StorageError: the store refuses, or does not answer.
        """
        self._local.delete_logs(log_key, prefix)
        for parts in [log_key] if log_key else []:
            for io_type in _BOTH:
                for partial in (False, True):
                    self._logs.delete(self._key(parts, io_type, partial=partial))
        if prefix:
            self._logs.delete_below(prefix)

    def on_subscribe(self, subscription: CapturedLogSubscription) -> None:
        """Begin to look for what the log gains."""
        self._subscriptions.add_subscription(subscription)

    def on_unsubscribe(self, subscription: CapturedLogSubscription) -> None:
        """Stop that."""
        self._subscriptions.remove_subscription(subscription)

    def dispose(self) -> None:
        """End the threads."""
        self._subscriptions.dispose()
        self._local.dispose()

    def _key(self, log_key: Sequence[str], io_type: ComputeIOType, *, partial: bool = False) -> str:
        return self._logs.key(log_key, IO_TYPE_EXTENSION[io_type], partial=partial)

    def _path(self, log_key: Sequence[str], io_type: ComputeIOType, *, partial: bool = False) -> Path:
        return Path(self._local.get_captured_local_path(log_key, IO_TYPE_EXTENSION[io_type], partial=partial))

    def _report(self, text: str) -> None:
        if claim_log_line("logs of runs", every=_MINUTE):
            _log.warning("%s", text)

    def _sweep_folder(self) -> None:
        """Remove old files of this machine, once an hour: what the UI has fetched, and what was never sent."""
        if time.monotonic() - self._swept < _HOUR or not self._folder.is_dir():
            return
        self._swept = time.monotonic()
        before = (datetime.now(UTC) - self._keep).timestamp()
        for path in sorted(self._folder.rglob("*"), reverse=True):  # what is in a folder goes before the folder
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.rmdir() if path.is_dir() else path.unlink()


class _Subscriptions(PollingComputeLogSubscriptionManager):
    """Dagster's own, whose thread dies when somebody subscribes while it looks, and never says that a log is whole."""

    def _poll(self, shutdown_event: threading.Event) -> None:
        while not shutdown_event.wait(_POLL_SECONDS):
            for subscriptions in list(self._subscriptions.values()):
                for subscription in list(subscriptions):
                    complete = self.is_complete(subscription)
                    subscription.fetch()
                    if complete:
                        subscription.complete()

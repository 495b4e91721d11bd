"""The end of a snapshot's time: whoever still reads is broken off, also in the middle of waiting for the server."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.session import Session


@dataclass(frozen=True)
class Deadline:
    """When a snapshot has to be over; `at` by the monotonic clock, in seconds."""

    at: float

    def left(self) -> float:
        """Seconds to go."""
        return self.at - time.monotonic()


@contextlib.contextmanager
def deadline(session: Session, seconds: int) -> Iterator[Deadline]:
    """Break off what stands in the block after so many seconds.

    Raises:
        SourceError: it was broken off.
    """
    expired = threading.Event()
    connection = session.driver_connection._sock  # noqa: SLF001 - closing it is the only way to wake a thread that waits for the server

    def expire() -> None:
        expired.set()
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield Deadline(time.monotonic() + seconds)
    except SourceError as error:
        if not expired.is_set():
            raise
        raise SourceError(
            f"the snapshot was broken off after max_snapshot_seconds = {seconds}, because a long one weighs on the"
            " database. Nothing was published. Read less (where, limit, fewer columns), read while the server is idle,"
            " or raise max_snapshot_seconds."
        ) from error
    finally:
        timer.cancel()

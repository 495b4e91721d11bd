"""The time limit of a snapshot: a read that takes longer is ended, even while it waits for the server."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.pymysql_internals import socket_shutdown
from aggregation_pipeline.source.mysql.session import Session


@dataclass(frozen=True)
class Deadline:
    """When a snapshot has to end.

    Attributes:
        at: seconds, by the monotonic clock.
    """

    at: float

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.at - time.monotonic()


@contextlib.contextmanager
def deadline(session: Session, seconds: int) -> Iterator[Deadline]:
    """End whatever the block does after so many seconds.

    Raises:
        SourceError: the block was ended.
    """
    expired = threading.Event()
    # Nothing else wakes a thread that waits for the server.
    shutdown = socket_shutdown(session.driver_connection)

    def expire() -> None:
        expired.set()
        shutdown()

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield Deadline(time.monotonic() + seconds)
    except SourceError as error:
        if not expired.is_set():
            raise
        where = f" in {error.shard}" if error.shard else ""
        raise SourceError(
            f"the snapshot was ended{where} after max_snapshot_seconds = {seconds}, because a long one is a load on the"
            " database. Nothing was published. Read less (where, limit, fewer columns), read while the server is idle,"
            " or raise max_snapshot_seconds."
        ) from error
    finally:
        timer.cancel()

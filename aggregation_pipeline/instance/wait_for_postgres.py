"""Waits for a PostgreSQL that does not answer when a process of Dagster starts."""

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import sqlalchemy as sa
from dagster._utils.interrupts import check_captured_interrupt
from dagster_postgres.utils import DagsterPostgresException

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.instance.log_filters import MINUTE, POSTGRES_OUTAGE
from aggregation_pipeline.postgres.engine import safe_reason
from aggregation_pipeline.settings.log_once import claim_log_line

T = TypeVar("T")

_log = logging.getLogger(__name__)
_PAUSE_SECONDS: Final = 2.0
# Messages of a server that runs and will answer soon. Any other refusal is final: no such user, no such database.
_TEMPORARY: Final = re.compile(
    "too many (clients|connections)|connection slots|starting up|shutting down|recovery mode|terminating connection"
)
# The code server's own thread that looks for dead runs. An error ends it, and then the server can never shut down.
_CLEANUP_THREAD: Final = "grpc-server-cleanup"


def wait_until_available(connect: Callable[[], T], patience: float) -> T:
    """Call `connect` until it succeeds, for up to `patience` seconds; logs one line a minute.

    It waits only in the main thread, where the process starts, and in the code server's cleanup. In any other thread
    somebody waits for an answer, such as the evaluation of a sensor, and one attempt is made.

    Raises:
        SettingsError: PostgreSQL does not answer in time, or refuses for a reason that waiting does not change.
    """
    thread = threading.current_thread()
    if thread is not threading.main_thread() and thread.name != _CLEANUP_THREAD:
        patience = 0.0
    began = time.monotonic()
    while True:
        try:
            return connect()
        except (sa.exc.OperationalError, DagsterPostgresException) as error:
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
            why = safe_reason(cause)
            if time.monotonic() - began >= patience or not _is_temporary(why):
                text = f"Dagster's PostgreSQL does not answer: {why}. Check DAGSTER_PG_URL and that the server runs"
                raise SettingsError(text) from error
        if claim_log_line(POSTGRES_OUTAGE, every=MINUTE):
            _log.warning("PostgreSQL does not answer (%s). Waiting up to %.0f minutes for it.", why, patience / MINUTE)
        time.sleep(_PAUSE_SECONDS)
        # Until its threads run, the daemon only records Ctrl-C and SIGTERM.
        if check_captured_interrupt():
            raise KeyboardInterrupt


def _is_temporary(why: str) -> bool:
    """Whether PostgreSQL may accept the connection later."""
    return "FATAL" not in why or _TEMPORARY.search(why) is not None

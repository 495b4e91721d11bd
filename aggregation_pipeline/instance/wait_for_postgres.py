"""Waiting for a PostgreSQL that does not answer when a process of Dagster's starts."""

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
from aggregation_pipeline.instance.log_filters import AWAY, MINUTE
from aggregation_pipeline.postgres.engine import safe_reason
from aggregation_pipeline.settings.log_once import claim_log_line

T = TypeVar("T")

_log = logging.getLogger(__name__)
_PAUSE_SECONDS: Final = 2.0
# What a server says that is there, and will answer soon. Whatever else it says is final: no such user, no such
# database.
_SOON: Final = re.compile(
    "too many (clients|connections)|connection slots|starting up|shutting down|recovery mode|terminating connection"
)


# The code server's own thread that looks for dead runs. An error ends it, and then the server can never shut down.
_CLEANUP_THREAD: Final = "grpc-server-cleanup"


def wait_until_available(opened: Callable[[], T], patience: float) -> T:
    """What `opened` gives, tried again for `patience` seconds, with a line a minute.

    Only where the process starts, and in the code server's cleanup: what is opened in another thread is for somebody
    who waits for an answer, a sensor that is evaluated.

    Raises:
        SettingsError: it does not answer by then, or says what waiting will not change.
    """
    thread = threading.current_thread()
    if thread is not threading.main_thread() and thread.name != _CLEANUP_THREAD:
        patience = 0.0
    began = time.monotonic()
    while True:
        try:
            return opened()
        except (sa.exc.OperationalError, DagsterPostgresException) as error:
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
            why = safe_reason(cause)
            if time.monotonic() - began >= patience or not _may_pass(why):
                text = f"Dagster's PostgreSQL does not answer: {why}. Check DAGSTER_PG_URL and that the server runs"
                raise SettingsError(text) from error
        if claim_log_line(AWAY, every=MINUTE):
            _log.warning("PostgreSQL does not answer (%s). Waiting up to %.0f minutes for it.", why, patience / MINUTE)
        time.sleep(_PAUSE_SECONDS)
        # The daemon has Ctrl-C and SIGTERM only noted until its threads run.
        if check_captured_interrupt():
            raise KeyboardInterrupt


def _may_pass(why: str) -> bool:
    """Whether PostgreSQL may answer later what it has not answered now."""
    return "FATAL" not in why or _SOON.search(why) is not None

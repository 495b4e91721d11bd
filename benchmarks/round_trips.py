"""Counts what a piece of work asks of the servers and of the environment."""

import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import psycopg2
import pymysql
import sqlalchemy as sa

from aggregation_pipeline.settings.base import load_settings


def calls_during(work: Callable[[], object]) -> dict[str, float]:
    """Count new connections, questions to PostgreSQL's catalogue, statements, and readings of the settings.

    Calls are counted by a profile function, in this thread and in those that it starts: it sees them however they
    were imported.
    """
    counts: Counter[str] = Counter(connections=0, reflections=0, statements=0, settings_read=0)
    names = {
        pymysql.connections.Connection.connect.__code__: "connections",
        psycopg2.connect.__code__: "connections",
        load_settings.__code__: "settings_read",
    }

    def called(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code in names:
            counts[names[frame.f_code]] += 1

    def sent(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        counts["statements"] += 1
        counts["reflections"] += "pg_catalog" in statement

    sa.event.listen(sa.Engine, "before_cursor_execute", sent)
    threading.setprofile(called)
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        sa.event.remove(sa.Engine, "before_cursor_execute", sent)
    return {name: float(count) for name, count in counts.items()}

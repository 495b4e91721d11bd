"""A private PostgreSQL for Dagster's storage, whose processor time is counted."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, start_postgres
from benchmarks.data import Source
from benchmarks.processor import counted


@contextmanager
def postgres(source: Source, report: Callable[[str], None]) -> Iterator[Callable[[], str]]:
    """Start it, and return what makes an empty database and returns its address.

    Meanwhile this process logs nothing to the terminal: Dagster would log every event of every run.
    """
    logging.disable(logging.INFO)
    server = start_postgres(source.folder / "postgres", report=report, options=THROWAWAY_OPTIONS)

    def new_database() -> str:
        name = f"bench_{uuid4().hex}"
        server.execute(f"CREATE DATABASE {name}")
        return server.url(name)

    try:
        with counted(server.child.pid):
            yield new_database
    finally:
        server.stop()
        logging.disable(logging.NOTSET)

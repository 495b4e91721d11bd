"""A server that answers nothing lets nobody wait for ever, and one that is slow is waited for."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from aggregation_pipeline.postgres import frozen_server
from aggregation_pipeline.postgres.frozen_server import end_waits_when_frozen

PATIENCE = 0.4


@pytest.fixture
def engine(postgres: Any) -> Iterator[sa.Engine]:
    opened = sa.create_engine(postgres.url, isolation_level="AUTOCOMMIT")
    end_waits_when_frozen(opened, patience=PATIENCE)
    yield opened
    opened.dispose()


@contextmanager
def frozen(server: Any) -> Iterator[None]:
    first = psutil.Process(server.child.pid)
    processes = [first, *first.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def test_a_statement_ends_when_the_server_is_frozen(engine: sa.Engine, postgres: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(frozen_server, "_CONNECT_SECONDS", 2)  # the least that libpq takes
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
        began = time.monotonic()
        with frozen(postgres.server), pytest.raises(sa.exc.OperationalError):
            connection.execute(sa.text("SELECT 2"))
    assert time.monotonic() - began < 30
    # Whoever comes next has a new connection.
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT 3")).scalar_one() == 3


def test_a_statement_that_takes_its_time_is_left_alone(engine: sa.Engine):
    with engine.connect() as connection:
        assert connection.execute(sa.text(f"SELECT 1 FROM pg_sleep({4 * PATIENCE})")).scalar_one() == 1


def test_a_process_that_was_forked_in_the_middle_of_a_statement_watches_its_own(engine: sa.Engine):
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    child = os.fork()
    if not child:
        # No assertion here: the child must not return into pytest.
        engine.dispose(close=False)
        with engine.connect() as connection:
            os._exit(connection.execute(sa.text(f"SELECT 7 FROM pg_sleep({2 * PATIENCE})")).scalar_one())
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7

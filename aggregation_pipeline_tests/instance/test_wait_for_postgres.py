"""A process that starts while PostgreSQL does not answer waits; what waiting does not change is said at once."""

import threading
import time
from typing import TYPE_CHECKING

import pytest

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.instance.storage import PostgresStorage

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

NOBODY = "postgresql+psycopg2://u@/d?host=/nowhere&options=-c%20timezone%3DUTC"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGGREGATION_LOG_RECORD", raising=False)
    monkeypatch.setattr(PostgresStorage, "patience", 2.0)


def opened(url: str) -> float:
    """How many seconds it took until it was given up."""
    began = time.monotonic()
    with pytest.raises(SettingsError, match=r"Dagster's PostgreSQL does not answer: .*Check DAGSTER_PG_URL"):
        PostgresStorage.from_config_value(None, {"postgres_url": url})
    return time.monotonic() - began


def test_it_waits_with_one_line_and_then_says_what_to_check(caplog: pytest.LogCaptureFixture):
    assert opened(NOBODY) >= 2
    (record,) = caplog.records
    assert record.getMessage().startswith("PostgreSQL does not answer (connection to server")


def opened_in_thread(name: str | None) -> float:
    took: list[float] = []
    thread = threading.Thread(target=lambda: took.append(opened(NOBODY)), name=name)
    thread.start()
    thread.join()
    return took[0]


def test_what_is_opened_in_another_thread_is_not_waited_for():
    assert opened_in_thread(None) < 2


def test_the_code_servers_cleanup_waits_because_the_server_could_not_end_without_it():
    assert opened_in_thread("grpc-server-cleanup") >= 2


def test_what_waiting_does_not_change_is_said_at_once(postgres: "PostgresServer"):
    missing = postgres.server.url("no_such_database")
    assert opened(missing) < 2

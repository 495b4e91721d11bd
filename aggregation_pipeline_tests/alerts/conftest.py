"""An outbox of the test's own, and a web server that is told."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import sqlalchemy as sa

    from aggregation_pipeline_tests.support.servers.handles import PostgresServer
    from aggregation_pipeline_tests.support.sink import Sink


@pytest.fixture
def outbox_url(postgres: "PostgresServer") -> str:
    from aggregation_pipeline.alerts.outbox_table import ensure_tables
    from aggregation_pipeline.postgres.engine import create_engine

    url = postgres.fresh_database()
    ensure_tables(create_engine(url, application_name="aggregation test"))
    return url


@pytest.fixture
def connection(outbox_url: str) -> "Iterator[sa.Connection]":
    from aggregation_pipeline.postgres.engine import create_engine

    with create_engine(outbox_url, application_name="aggregation test").connect() as opened:
        yield opened


@pytest.fixture
def sink() -> "Iterator[Sink]":
    from aggregation_pipeline_tests.support.sink import new_sink

    with new_sink().serving() as serving:
        yield serving

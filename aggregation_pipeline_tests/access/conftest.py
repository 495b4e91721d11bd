"""A file of accounts, and the tables of access in a database of the test's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aggregation_pipeline.access.store import AccessStore
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer


@pytest.fixture(scope="module", autouse=True)
def cheap() -> Iterator[None]:
    from aggregation_pipeline_tests.support.cheap_passwords import cheap_passwords

    with cheap_passwords():
        yield


@pytest.fixture
def auth_file(tmp_path: Path) -> Path:
    return tmp_path / "auth.json"


@pytest.fixture(scope="module")
def access_url(postgres: "PostgresServer") -> str:
    return postgres.fresh_database()


@pytest.fixture
def store(access_url: str) -> "Iterator[AccessStore]":
    from aggregation_pipeline.access.store import AccessStore

    opened = AccessStore(access_url)
    yield opened
    opened.close()

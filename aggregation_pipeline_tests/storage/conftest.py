"""Stores to test on: a folder, and OSS as the test server speaks it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.oss import OssStore
from aggregation_pipeline_tests.servers.oss import OssServer


@pytest.fixture(scope="session")
def running_oss() -> Iterator[OssServer]:
    with OssServer.start() as server:
        yield server


@pytest.fixture
def oss_server(running_oss: OssServer) -> Iterator[OssServer]:
    """An empty bucket, no faults, an empty log."""
    running_oss.reset()
    yield running_oss
    assert running_oss.mistakes == [], "the test server itself failed"


@pytest.fixture(params=["folder", "oss"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return FolderStore(tmp_path / "exports")
    server: OssServer = request.getfixturevalue("oss_server")
    return OssStore(server.options())

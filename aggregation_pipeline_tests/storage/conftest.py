"""Stores to test on: a folder, and OSS as the test server speaks it."""

from pathlib import Path

import pytest

from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.storage.publishing import Watched
from aggregation_pipeline_tests.storage.retaining import DAYS, put
from aggregation_pipeline_tests.support.servers.oss import OssServer


@pytest.fixture(params=["folder", "oss"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return FolderStore(tmp_path / "exports")
    server: OssServer = request.getfixturevalue("oss_server")
    return OssStore(server.options())


@pytest.fixture
def watched(store: ObjectStore) -> Watched:
    return Watched(store)


@pytest.fixture
def filled(store: ObjectStore, tmp_path: Path) -> ObjectStore:
    """A store with four windows of one table."""
    for window in DAYS:
        put(store, tmp_path, window)
    return store

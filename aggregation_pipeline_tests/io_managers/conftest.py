from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, EnvVar

from aggregation_pipeline import OSSIOManager
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.servers.oss.server import BUCKET, KEY_ID, REGION, SECRET


@pytest.fixture(scope="module")
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> OSSIOManager:
    return OSSIOManager(folder=str(tmp_path / "store"), temp_dir=str(tmp_path / "temp"))


@pytest.fixture
def bucket(oss_server: OssServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OSSIOManager:
    monkeypatch.setenv("MY_ID", KEY_ID)
    monkeypatch.setenv("MY_SECRET", SECRET)
    return OSSIOManager(
        bucket=BUCKET,
        region=REGION,
        endpoint=f"http://127.0.0.1:{oss_server.port}",
        access_key_id=EnvVar("MY_ID"),
        access_key_secret=EnvVar("MY_SECRET"),
        prefix="reports",
        attempts=1,
        temp_dir=str(tmp_path / "temp"),
    )

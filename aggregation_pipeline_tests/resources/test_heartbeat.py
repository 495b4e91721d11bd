"""Every run has a heartbeat from its start to its end, whatever assets it is over."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetExecutionContext, DagsterInstance, ExecuteInProcessResult, asset, materialize

from aggregation_pipeline.io_managers.resource import build_io_manager
from aggregation_pipeline.resources.heartbeat import HEARTBEAT, build_heartbeat
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.runs.tags import HEARTBEAT_TAG, IN_PROCESS_TAG
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline_tests.support.runs import open_instance


@pytest.fixture(scope="module")
def url(postgres: Any) -> str:
    return str(postgres.fresh_database())


@pytest.fixture(scope="module")
def instance(url: str) -> Iterator[DagsterInstance]:
    with open_instance(url) as opened:
        yield opened


def run_asset_of_ones_own(
    instance: DagsterInstance, url: str, folder: Path, *, one_process: bool = True, tags: dict[str, str] | None = None
) -> tuple[ExecuteInProcessResult, str | None]:
    """Run an asset that uses the IO manager; return also the value of the heartbeat's tag while it ran."""
    seen: list[str | None] = []

    @asset
    def report(context: AssetExecutionContext) -> None:
        run = context.instance.get_run_by_id(context.run.run_id)
        seen.append(run.tags.get(HEARTBEAT_TAG) if run else None)

    publisher = Publisher(FolderStore(folder / "exports"), "", folder / "temp", url)
    result = materialize(
        [report],
        instance=instance,
        tags=tags,
        resources={
            HEARTBEAT: build_heartbeat(locks_url=url, one_process=one_process),
            "io_manager": build_io_manager(publisher),
        },
    )
    return result, seen[0]


def test_a_run_of_an_asset_of_ones_own_has_a_heartbeat(instance: DagsterInstance, url: str, tmp_path: Path):
    result, tag = run_asset_of_ones_own(instance, url, tmp_path)
    assert tag == result.run_id


def test_a_step_in_a_process_of_its_own_does_not_stand_for_the_run(instance: DagsterInstance, url: str, tmp_path: Path):
    _, tag = run_asset_of_ones_own(instance, url, tmp_path, one_process=False)
    assert tag is None


def test_a_run_whose_command_holds_the_heartbeat_gets_no_second_one(
    instance: DagsterInstance, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "aggregation_pipeline.runs.heartbeat.in_own_process", lambda run: run.tags[IN_PROCESS_TAG] == "mine"
    )
    _, tag = run_asset_of_ones_own(instance, url, tmp_path, tags={IN_PROCESS_TAG: "mine"})
    assert tag is None

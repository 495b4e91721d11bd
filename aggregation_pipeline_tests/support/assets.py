"""Runs of assets of one's own, in this process, with an IO manager."""

from pathlib import Path
from typing import Any

from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult, materialize


def run(instance: DagsterInstance, manager: Any, *assets: Any, **more: Any) -> ExecuteInProcessResult:
    return materialize([*assets], instance=instance, resources={"io_manager": manager}, **more)


def stored(tmp_path: Path) -> list[str]:
    root = tmp_path / "store"
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def metadata_of(result: ExecuteInProcessResult, key: str) -> dict[str, Any]:
    (event,) = [each for each in result.get_asset_materialization_events() if each.asset_key == AssetKey(key)]
    return {name: value.value for name, value in event.materialization.metadata.items()}

"""A DAGSTER_HOME for one purpose: nothing of it mixes with the folders of the deployment of this machine."""

from importlib import resources
from pathlib import Path
from typing import Final

import yaml

# Sections of dagster.yaml with a folder: (module, class, folder).
_FOLDERS: Final = {
    "local_artifact_storage": ("dagster._core.storage.root", "LocalArtifactStorage", "artifacts"),
    "compute_logs": ("aggregation_pipeline.instance.compute_logs", "ComputeLogs", "compute_logs"),
}


def own_config() -> str:
    """Return the dagster.yaml of the working folder, or else of the package."""
    here = Path("dagster.yaml")
    return here.read_text("utf-8") if here.is_file() else packaged_config()


def packaged_config() -> str:
    """Return the dagster.yaml of the package, whose storage is the PostgreSQL that DAGSTER_PG_URL names."""
    return resources.files(__package__).joinpath("dagster.yaml").read_text("utf-8")


def make_home(home: Path, text: str, *, url_variable: str | None = None) -> Path:
    """Make the folder with this dagster.yaml, and return its absolute path. What Dagster stores lies below it.

    `url_variable` holds the URL of its storage, if that is not to be DAGSTER_PG_URL.
    """
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load(text)
    for section, (module, kind, folder) in _FOLDERS.items():
        config[section] = {
            "module": module,
            "class": kind,
            "config": {"base_dir": str(home / folder)},
        }
    if url_variable is not None:
        config["storage"]["custom"]["config"]["postgres_url"] = {"env": url_variable}
    (home / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return home

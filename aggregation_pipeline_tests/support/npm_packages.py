"""Packages of the npm registry that tests compare with, fetched once into `.data` of the repository."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.missing import missing


def node_path() -> str:
    """Node.js; the test is skipped without it."""
    return shutil.which("node") or missing("node is missing: apt-get install nodejs (Debian, Ubuntu)")


def npm_packages(name: str, packages: Mapping[str, str]) -> Path:
    """The `node_modules` in which every alias of `packages` is that package, such as {"old": "dotenv@16.0.0"}."""
    npm = shutil.which("npm") or missing("npm is missing: apt-get install npm (Debian, Ubuntu)")
    home = REPOSITORY / ".data" / name
    folder = home / "node_modules"
    if not all((folder / alias / "package.json").is_file() for alias in packages):
        home.mkdir(parents=True, exist_ok=True)
        wanted = [f"{alias}@npm:{package}" for alias, package in packages.items()]
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *wanted]
        if subprocess.run(install, cwd=home, check=False).returncode:
            missing(f"npm could not fetch {', '.join(packages.values())}")
    return folder

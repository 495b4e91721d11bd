"""The packages of Node.js that the old service used: real writers and readers to compare with."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.missing import missing

PACKAGES: Final = ("mysql2@3.24.6", "csv-writer@1.6.0", "json2csv@5.0.7", "xlsx@0.18.5")
CACHE: Final = REPOSITORY / ".data" / "node"
_SECONDS: Final = 120


def node_packages() -> Path:
    """Return the folder in which `require` finds the packages; npm fetches them once (26 MB). Skips without npm."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("Node.js is missing: `apt-get install nodejs npm`")
    done = CACHE / "installed.json"
    if not done.is_file() or json.loads(done.read_text()) != [*PACKAGES]:
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / "package.json").write_text("{}")
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-save")
        try:
            subprocess.run(["npm", "install", *options, *PACKAGES], cwd=CACHE, check=True, timeout=_SECONDS)
        except (subprocess.SubprocessError, OSError):
            missing(f"npm could not fetch {', '.join(PACKAGES)}")
        done.write_text(json.dumps(PACKAGES))
    return CACHE


def run_node(program: str, argument: dict[str, Any], zone: str) -> Any:
    """Run a program with `argument` as `input`, in a process of this zone; return what it prints as JSON."""
    folder = node_packages()
    script = folder / f"program-{os.getpid()}.js"
    script.write_text(f"const input = JSON.parse(process.argv[2]);\n{program}\n", encoding="utf-8")
    try:
        done = subprocess.run(
            ["node", script, json.dumps(argument)],
            cwd=folder, env={**os.environ, "TZ": zone}, capture_output=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    finally:
        script.unlink()
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)

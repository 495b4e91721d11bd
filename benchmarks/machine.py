"""The machine on which the figures were measured, and the commit."""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from aggregation_pipeline.native.kernels import COMPILED
from aggregation_pipeline_tests.support.paths import REPOSITORY as ROOT


def describe() -> dict[str, str]:
    """Return processor, memory, system, versions and commit, but no name of the machine and no path."""
    return {
        "processor": f"{_first(Path('/proc/cpuinfo'), 'model name')}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{int(_first(Path('/proc/meminfo'), 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "system": f"Linux {platform.release()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in ("pyarrow", "numpy", "pymysql", "openpyxl")},
        "MariaDB": _program("mariadb", r"Distrib ([\d.]+)"),
        "Node.js": _program("node", r"v([\d.]+)"),
        "C modules": "compiled" if COMPILED else "not compiled",
        "commit": _commit(),
    }


def _first(path: Path, key: str) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "0")


def _program(name: str, pattern: str) -> str:
    if not shutil.which(name):
        return "not installed"
    said = subprocess.run([name, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(pattern, said)
    return found[1] if found else said.strip()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or "unknown"

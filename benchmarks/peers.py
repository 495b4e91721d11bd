"""Installs the peers that are not dependencies, when they are first needed.

They are in an environment for Python and a folder of node modules below .data/. A peer that cannot be installed is left
out, and the table says so.
"""

import functools
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.measuring import ROOT, BrokenBenchError, Sample, probe, reported

_HOME: Final = ROOT / ".data" / "bench"
# Fixed, so that two figures differ by the machine and by our code alone. pyarrow and duckdb are the versions that ours
# is measured with; connectorx is the newest with wheels for this Python; mysql-connector-python 9.5 wants OpenSSL 3.2.
_PYTHON: Final = (
    "asyncmy==0.2.18",
    "connectorx==0.4.6",
    "dlt[filesystem,parquet]==1.31.0",
    "duckdb==2.0.0",
    "mysql-connector-python==9.4.0",
    "openpyxl==3.1.5",
    "pandas==3.1.1",
    "polars==2.1.0",
    "pyarrow==26.0.1",
    "pymysql==1.2.4",
    "sqlalchemy==2.0.51",
    "xlsxwriter==3.3.1",
)
# The newest release of the extension as a package, and the only version of DuckDB that takes it.
DUCKDB_POSTGRES: Final = ("duckdb==1.5.5", "duckdb-extension-postgres-scanner==1.5.5")
_NODE: Final = ("mysql2@3.24.6", "csv-stringify@6.9.0", "exceljs@4.4.0")


@functools.cache
def peers_python(packages: tuple[str, ...] = _PYTHON) -> Path:
    """Return the interpreter of the peers' environment; `DUCKDB_POSTGRES` has one of its own."""
    home = _HOME / ("python" if packages is _PYTHON else "duckdb-postgres")
    python = home / "bin" / "python"
    listed = home / "installed"
    if not listed.is_file() or listed.read_text() != "\n".join(packages):
        uv = [sys.executable, "-m", "uv"]
        _install([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)], home)
        _install([*uv, "pip", "install", "--quiet", "--python", str(python), "--only-binary=:all:", *packages], home)
        listed.write_text("\n".join(packages))
    return python


@functools.cache
def node_modules() -> Path:
    """Return the folder of modules for Node.js."""
    home = _HOME / "node"
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise BrokenBenchError("Node.js is not installed here")
    listed = home / "installed"
    if not listed.is_file() or listed.read_text() != "\n".join(_NODE):
        home.mkdir(parents=True, exist_ok=True)
        _install(
            [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(home), *_NODE],
            home,
        )
        listed.write_text("\n".join(_NODE))
    return home / "node_modules"


def python_peer(function: str, environment: tuple[str, ...] = _PYTHON, **arguments: Any) -> Callable[[], Sample]:
    """Return a measurement in the peers' environment; the module is `python_peers` where none is named."""

    def run() -> Sample:
        # Installed only now, so that a failure counts for this peer alone.
        place = function if ":" in function else f"python_peers:{function}"
        return probe(place, python=peers_python(environment), **arguments)()

    return run


def node_peer(job: str, arguments: str) -> Callable[[], Sample]:
    """Return a measurement by Node.js."""
    script = str(Path(__file__).with_name("node_peers.cjs"))

    def run() -> Sample:
        return reported(["node", script, job, arguments], {"NODE_PATH": str(node_modules())})()

    return run


def _install(command: Sequence[str], home: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(home, ignore_errors=True)
        # The installer's own message names registries, which do not belong into a report.
        raise BrokenBenchError(f"not installed: {Path(command[0]).name} ended with code {done.returncode}")

"""Stands for the Node.js service: the packages that it uses write its files from a real server."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.missing import missing

SOURCE: Final = Path(__file__).parent / "node"
CACHE: Final = REPOSITORY / ".data" / "old-files"
STAMP: Final = "20261121_020003"
# The folder of each way to write, and the format of its files.
WAYS: Final[Mapping[str, str]] = {"json": "json", "csv-writer": "csv", "json2csv": "csv", "excel": "excel"}
_FILES: Final = ("package.json", "package-lock.json", "write.js")


def write_old_files(
    server: MySQLServer, database: str, queries: Mapping[str, str], folder: Path, zone: str = "Asia/Shanghai"
) -> Path:
    """Write the files of one run of the service in that time zone, and return `folder`, which has one for each way."""
    node, home = _installed()
    for way in WAYS:
        (folder / way).mkdir(parents=True)
    connection = {"socketPath": server.unix_socket, "user": server.user, "password": "", "database": database}
    argument = {"connection": connection, "folder": str(folder), "stamp": STAMP, "queries": queries}
    done = subprocess.run(
        [node, "write.js", json.dumps(argument)],
        cwd=home,
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return folder


def _installed() -> tuple[str, Path]:
    """Install the packages once, by their checksums; return Node and the folder."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("Node.js and npm are missing, which write files as the old service did: apt-get install npm")
    wanted = {name: (SOURCE / name).read_bytes() for name in _FILES}
    if all((CACHE / name).is_file() and (CACHE / name).read_bytes() == text for name, text in wanted.items()):
        return node, CACHE
    # Renamed when it is whole. Another worker may be faster.
    part = CACHE.with_name(f"old-files.{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name, text in wanted.items():
        (part / name).write_bytes(text)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=part, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        shutil.rmtree(part, ignore_errors=True)
        missing(f"npm could not install the packages of the old service: {done.stderr.strip()[-300:]}")
    shutil.rmtree(CACHE, ignore_errors=True)
    try:
        part.rename(CACHE)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
    return node, CACHE

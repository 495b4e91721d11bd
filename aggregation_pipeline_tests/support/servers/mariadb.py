"""A private MariaDB from the distribution's packages: the second server that the tests use."""

import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aggregation_pipeline.embedded.process import Child, is_root, socket_accepts, spawn
from aggregation_pipeline_tests.support.servers.zones import load_zones

INSTALL = "mariadbd is missing: apt-get install mariadb-server-core (Debian, Ubuntu) or brew install mariadb"


@dataclass(frozen=True)
class MariaDB:
    child: Child
    socket: Path
    port: int

    def stop(self) -> None:
        self.child.stop()


def start_mariadb(home: Path, *, tls: bool = False, zones: bool = False, options: Sequence[str] = ()) -> MariaDB:
    """Start MariaDB in the new folder `home`. Its default is READ COMMITTED, as on many RDS instances.

    Args:
        home: a folder that does not exist yet.
        tls: whether it offers TLS over TCP.
        zones: whether it has time zone tables.
        options: of the server; they override ours.

    Raises:
        FileNotFoundError: the server, or the tool for the time zone tables, is not installed.
    """
    server, installer = _find("mariadbd"), _find("mariadb-install-db")
    data, sock = home / "data", home / "mariadb.sock"
    data.mkdir(parents=True)
    as_root = ["--user=root"] if is_root() else []
    # A starting server deletes the temporary tables in its folder for them, another server's too; so does the one that
    # the installer starts. Small buffers, no durability: nobody keeps a test's data.
    common = ["--no-defaults", f"--datadir={data}", f"--tmpdir={home}", *as_root, "--innodb-log-file-size=32M"]
    subprocess.run(
        [installer, *common, "--skip-test-db", "--auth-root-authentication-method=normal", "--skip-name-resolve"],
        check=True,
        capture_output=True,
        cwd=home,
    )
    port = free_port()
    command = [
        server,
        *common,
        f"--socket={sock}",
        f"--pid-file={home / 'mariadb.pid'}",
        "--bind-address=127.0.0.1",
        f"--port={port}",
        "--skip-log-bin",
        "--skip-name-resolve",
        "--transaction-isolation=READ-COMMITTED",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_unicode_ci",
        "--innodb-buffer-pool-size=64M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--innodb-fast-shutdown=2",
        "--local-infile=1",
        *(_certificate(home) if tls else []),
        *options,
    ]
    started = _serve(command, sock, port)
    try:
        if zones:
            load_zones(str(sock))
    except BaseException:
        started.stop()
        raise
    return started


def start_again(server: MariaDB) -> MariaDB:
    """Start a stopped server again, with the same data and at the same address."""
    command = server.child.popen.args
    assert isinstance(command, list)
    return _serve([str(part) for part in command], server.socket, server.port)


def _serve(command: Sequence[str], sock: Path, port: int) -> MariaDB:
    child = spawn(
        "MariaDB", command, cwd=sock.parent, log=sock.parent / "output.log", environment={"PATH": "/usr/bin:/bin"}
    )
    try:
        child.wait_ready(lambda: socket_accepts(sock))
    except BaseException:
        child.stop()
        raise
    return MariaDB(child, sock, port)


def _certificate(home: Path) -> list[str]:
    """Make a self-signed certificate, as MySQL 8 does on its first start; `ca.pem` signs those of clients.

    FLUSH SSL reads the three files again.
    """
    key, certificate, authority = home / "key.pem", home / "certificate.pem", home / "ca.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=MariaDB"]
    subprocess.run([*request, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    shutil.copy(certificate, authority)
    return [f"--ssl-key={key}", f"--ssl-cert={certificate}", f"--ssl-ca={authority}"]


def _find(name: str) -> str:
    # Debian installs servers in sbin, which is not in an ordinary user's PATH.
    for path in (None, "/usr/sbin:/usr/local/sbin:/sbin"):
        if found := shutil.which(name, path=path):
            return found
    raise FileNotFoundError(INSTALL)


def free_port() -> int:
    """Return an unused port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""PostgreSQL as the machine's packages have it: another version than the embedded one, with TLS and with XML."""

import contextlib
import os
import pwd
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, Postgres
from aggregation_pipeline.embedded.process import Account, is_root, spawn
from aggregation_pipeline_tests.support.servers.certificates import Authority, Pair
from aggregation_pipeline_tests.support.servers.mariadb import free_port
from aggregation_pipeline_tests.support.servers.missing import missing
from aggregation_pipeline_tests.support.waiting import until

INSTALL = "PostgreSQL of the distribution is missing: apt-get install postgresql (Debian, Ubuntu)"
# Debian keeps the programs of each version apart, and none of the server's in PATH.
PROGRAMS = Path("/usr/lib/postgresql")
EVERYBODY = "host all all 127.0.0.1/32 trust"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class InstalledPostgres(Postgres):
    """The server. Its socket is found at the usual port, and TCP at `port` of the loopback address.

    Attributes:
        authority: signed its certificate, and is asked about those of clients.
        certificate: what it shows unless it is told otherwise; of 127.0.0.1.
    """

    port: int
    authority: Authority
    certificate: Pair
    home: Path
    account: Account | None

    def show(self, pair: Pair) -> None:
        """Let the server show this certificate to connections from now on."""
        own(self.account, pair.cert, pair.key)
        self._set("ssl_key_file", str(pair.key))
        self._set("ssl_cert_file", str(pair.cert))

    def admit(self, line: str) -> None:
        """Let `line` of pg_hba.conf decide about connections by TCP from now on."""
        local = "local all,replication all trust"
        (self.home / "data" / "pg_hba.conf").write_text(f"{local}\n{line}\n", encoding="utf-8")
        # The time of the last reading tells that there was another.
        before = self._shown("SELECT pg_conf_load_time()")
        self.execute("SELECT pg_reload_conf()")
        until("pg_hba.conf", lambda: self._shown("SELECT pg_conf_load_time()") != before, 30)

    def offer_tls(self, offered: bool) -> None:
        """Offer TLS to connections from now on, or none."""
        self._set("ssl", "on" if offered else "off")

    def _set(self, name: str, value: str) -> None:
        self.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.execute("SELECT pg_reload_conf()")
        # A new session is made from what the server has read.
        until(f"{name} = {value}", lambda: self._shown(f"SHOW {name}") == value, 30)

    def _shown(self, question: str) -> Any:
        """The one cell that a new session is answered with."""
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(question)
            return (cursor.fetchone() or [None])[0]


def start_installed_postgres(home: Path) -> InstalledPostgres:
    """Start the newest installed version in the new folder `home`, in the zone Asia/Shanghai, with TLS on TCP."""
    versions = sorted(PROGRAMS.glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if not versions:
        missing(INSTALL)
    programs = versions[-1].parent
    account = _account() if is_root() else None
    data, run = home / "data", home / "run"
    for each in (home, data, run):
        each.mkdir(mode=0o711 if each == home else 0o700)
        own(account, each)
    subprocess.run(
        [programs / "initdb", "-D", data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "-N"],
        check=True, capture_output=True, cwd=home, env=ENVIRONMENT,
        user=account.uid if account else None, group=account.gid if account else None,
        extra_groups=[] if account else None,
    )  # fmt: skip
    authority = Authority.make(home / "authority", "authority")
    pair = authority.sign("server", "IP:127.0.0.1")
    own(account, authority.folder, authority.pair.cert)
    port = free_port()
    # Whoever is not told otherwise looks for the usual port.
    (run / ".s.PGSQL.5432").symlink_to(f".s.PGSQL.{port}")
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(run),
        "timezone": "Asia/Shanghai",
        "ssl_ca_file": str(authority.pair.cert),
        **THROWAWAY_OPTIONS,
    }
    child = spawn(
        "PostgreSQL",
        [programs / "postgres", "-D", data, *(part for item in settings.items() for part in ("-c", "=".join(item)))],
        cwd=home,
        log=home / "output.log",
        environment=ENVIRONMENT,
        account=account,
        stop_signals=(signal.SIGINT, signal.SIGQUIT, signal.SIGKILL),
    )
    server = InstalledPostgres(child, run, port, authority, pair, home, account)
    try:
        child.wait_ready(server.answers)
        server.admit(EVERYBODY)
        server.show(pair)
        server.offer_tls(offered=True)
    except BaseException:
        server.stop()
        raise
    return server


def _account() -> Account:
    """The account that the package has made: PostgreSQL refuses to run as root."""
    entry = pwd.getpwnam("postgres")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def own(account: Account | None, *paths: Path) -> None:
    """Let files belong to the server's account, whatever this process's umask."""
    if account:
        for path in paths:
            os.chown(path, account.uid, account.gid)

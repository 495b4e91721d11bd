"""docker-compose.yml at work: its commands as processes, killed one after the other, on real servers."""

import shutil
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aggregation_pipeline_tests.deploy.compose import USER, Containers
from aggregation_pipeline_tests.deploy.stack import SERVICES, WORKERS, Stack, let_everybody_in
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PASSWORD = "of-the-sample-shop"
CONFIG = """
# Until a container has come back on a busy machine.
source_limits: {lock_wait_seconds: 900}
tables:
  orders:
    group_by: [status]
    aggregations: [{function: COUNT, alias: orders}]
    schedule: none
    formats: [csv, excel]
  users: {group_by: [city], schedule: none, formats: [json]}
"""


@pytest.fixture(scope="module")
def stack(image: Path, server_folder: Path, mariadb: "MySQLServer", postgres: "PostgresServer") -> Iterator[Stack]:
    database = mariadb.fresh_database()
    with mariadb.connect(database=None) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER {database} IDENTIFIED BY '{PASSWORD}'")
        cursor.execute(f"GRANT ALL ON {database}.* TO {database}")
    port, redis = free_port(), free_port()
    assert mariadb.host
    replaced = {
        "mysql": mariadb.host,
        "3306": str(mariadb.port),
        "shop": database,
        "3000": port,
        "redis:6379": f"127.0.0.1:{redis}",
        "* -::*": f"127.0.0.1\nport {redis}",
    }
    # Short: the path of a socket holds about a hundred bytes.
    containers = Containers(server_folder / "c", image, replaced)
    containers.folder.mkdir()
    containers.make_folders()
    project = containers.folder / "project"
    shutil.copytree(REPOSITORY / "deploy", project / "deploy")
    for source, target in {"prepare.sh": "deploy/compose/prepare.sh", "demo.env": ".env"}.items():
        text = (REPOSITORY / "deploy/compose" / source).read_text(encoding="utf-8")
        (project / target).write_text(containers.translate(text), encoding="utf-8")
    url = postgres.fresh_database()
    # The user of the containers is another one than that of the tests.
    let_everybody_in(postgres, folder=0o711, socket=0o777)
    for name, secret in {"demo_mysql_password": PASSWORD, "dagster_pg_url": url, "later": "x"}.items():
        (project / "secrets").mkdir(exist_ok=True)
        (project / "secrets" / name).write_text(f"{secret}\n", encoding="utf-8")
    shutil.copy(REPOSITORY / "dagster.yaml", containers.folder / "srv/aggregation")
    (containers.folder / "srv/aggregation/config/aggregation.yaml").write_text(CONFIG, encoding="utf-8")
    try:
        yield Stack(containers, url, port, mariadb, database)
    finally:
        let_everybody_in(postgres, folder=0o700, socket=0o700)
        containers.end()
        with mariadb.connect(database=None) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP USER {database}")


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def modes(folder: Path) -> Mapping[str, tuple[int, int, int]]:
    found = {path.name: path.stat() for path in folder.iterdir()}
    return {name: (stat.S_IMODE(each.st_mode), each.st_uid, each.st_gid) for name, each in found.items()}


def test_the_image_holds_each_file_of_the_package(image: Path):
    (installed,) = image.glob("lib/python3.*/site-packages/aggregation_pipeline")
    source = REPOSITORY / "aggregation_pipeline"
    made = {".so", ".c", ".pyc"}
    names = {path.relative_to(source) for path in source.rglob("*") if path.is_file() and path.suffix not in made}
    assert names - {path.relative_to(installed) for path in installed.rglob("*")} == set()
    assert not (image / "bin/pip").exists()
    assert not list(image.glob("lib/python3.*/site-packages/pylibseekdb*"))


def test_folders_and_secrets_are_prepared_and_what_is_not_a_secret_any_more_goes(stack: Stack):
    containers = stack.containers
    (containers.folder / "srv/aggregation/logs/combined.log").touch()
    done = containers.run(containers.command("prepare"), "prepare", root=True)
    assert (done.returncode, done.stdout) == (0, "Folders and secrets are ready\n"), done.stderr
    ours = dict.fromkeys(
        [".env", "celery_broker_url", "dagster_pg_url", "demo_mysql_password", "later"], (0o440, 0, USER)
    )
    assert modes(containers.folder / "run/secrets") == ours
    theirs = dict.fromkeys(
        ["postgres_password", "demo_mysql_password", "redis_password", "redis.conf"], (0o440, 0, 999)
    )
    assert modes(containers.folder / "run/server-secrets") == theirs
    made = (containers.folder / "run/server-secrets/postgres_password").read_bytes()
    assert len(made) == 48
    (containers.folder / "project/secrets/later").unlink()
    again = containers.run(containers.command("prepare"), "prepare", root=True)
    assert again.returncode == 0
    assert "later" not in modes(containers.folder / "run/secrets")
    assert (containers.folder / "run/server-secrets/postgres_password").read_bytes() == made
    home = containers.folder / "srv/aggregation"
    assert {name for name, (_, owner, _) in modes(home).items() if owner == USER} == {
        *(".code-server", ".data", "exports", "logs", "temp"),
    }
    assert (home / "logs/combined.log").stat().st_uid == USER


def test_a_password_of_ones_own_is_in_the_url_and_one_that_breaks_it_is_refused(stack: Stack):
    containers = stack.containers
    url, password = (containers.folder / "project/secrets" / name for name in ("dagster_pg_url", "postgres_password"))
    before = url.read_text(encoding="utf-8")
    try:
        url.unlink()
        password.write_text("p@ss/word\n", encoding="utf-8")
        refused = containers.run(containers.command("prepare"), "prepare", root=True)
        assert refused.returncode == 1
        assert "secrets/postgres_password goes into a URL: take letters, digits and . _ ~ - only" in refused.stderr
        assert "p@ss" not in refused.stderr
        password.write_text("my-own_1\n", encoding="utf-8")
        assert containers.run(containers.command("prepare"), "prepare", root=True).returncode == 0
        written = (containers.folder / "run/secrets/dagster_pg_url").read_text(encoding="utf-8")
        assert written == "postgresql://aggregation:my-own_1@postgres:5432/aggregation"
    finally:
        password.unlink(missing_ok=True)
        url.write_text(before, encoding="utf-8")
        containers.run(containers.command("prepare"), "prepare", root=True)


def test_a_second_postgres_in_the_file_of_variables_is_refused_before_anything_starts(stack: Stack):
    file = stack.containers.folder / "project/.env"
    before = file.read_text(encoding="utf-8")
    file.write_text(before + 'export DAGSTER_PG_URL="postgresql://u:p@h/d"\n', encoding="utf-8")
    refused = stack.containers.run(stack.containers.command("prepare"), "prepare", root=True)
    file.write_text(before, encoding="utf-8")
    assert refused.returncode == 1
    assert "take the line out. The URL of a PostgreSQL of your own goes into secrets/dagster_pg_url" in refused.stderr


def test_the_shop_is_loaded_once_and_replaces_no_tables_of_others(stack: Stack, mariadb: "MySQLServer"):
    containers = stack.containers
    done = containers.run(containers.command("shop"), "shop")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The sample shop is loaded" in done.stdout
    assert "205500 of 205500 rows" in done.stdout
    assert "is there already" in containers.run(containers.command("shop"), "shop").stdout
    with mariadb.connect(database=stack.database) as connection, connection.cursor() as cursor:
        cursor.execute("RENAME TABLE _sample_data TO kept")
        refused = containers.run(containers.command("shop"), "shop")
        cursor.execute("RENAME TABLE kept TO _sample_data")
    assert refused.returncode == 1
    assert "has tables that the sample shop would replace: orders, products, users" in refused.stderr


@pytest.fixture
def running(stack: Stack) -> Stack:
    """The stack with all its services, and a token that launches tables."""
    stack.start(*SERVICES)
    stack.sign_in()
    return stack


def test_a_table_is_launched_and_published_and_nothing_is_written_but_in_volumes(running: Stack):
    batch = running.launch("orders")
    running.wait(batch, "completed")
    home = running.containers.folder / "srv/aggregation"
    assert (home / "exports/orders/latest/orders.xlsx").is_file()
    assert (home / "logs/combined.log").stat().st_size
    assert (home / ".data/admin-password").is_file(), "the first account was made, since other machines reach 0.0.0.0"
    assert {path.name for path in home.iterdir()} == {
        *(".code-server", ".data", "config", "dagster.yaml", "exports", "logs", "temp"),
    }
    written = [path for path in running.containers.image.rglob("*") if path.stat().st_uid != 0]
    assert not written


@pytest.mark.parametrize("killed", SERVICES)
def test_a_service_that_is_killed_comes_back_and_no_batch_is_lost(running: Stack, killed: str):
    with running.held("orders"):
        at_work = running.launch("orders")
        running.wait(at_work, "in_progress")
        waiting = running.launch("users")
        running.containers.kill(killed)
        # As `restart: unless-stopped` does.
        running.containers.start(killed)
        running.wait_for_health(killed)
    # Runs are processes of the code server's container: what had begun there died with it.
    ends = {"completed", "failed"} if killed == "code" else {"completed"}
    until("the ends", lambda: {running.status(at_work), running.status(waiting)} <= ends, 300, said=running.logs)
    assert (running.status(at_work) == "failed") == (killed == "code")
    running.wait_for_health(*SERVICES)
    running.wait(running.launch("orders"), "completed")
    until("a row of each run", lambda: rows_of_runs(running), 60, said=running.logs)


def rows_of_runs(stack: Stack) -> bool:
    """Return whether each run has its row, with its own end."""
    ends = {"SUCCESS": "completed", "FAILURE": "failed", "CANCELED": "failed"}
    runs = {row.run_id: ends.get(row.status) for row in stack.query("SELECT run_id, status FROM runs")}
    rows = {str(row.id): row.status for row in stack.query("SELECT id, status FROM public.batch_jobs")}
    return runs == rows


def test_the_daemon_stops_first_and_the_code_server_waits_for_its_runs(running: Stack):
    with running.held("orders"):
        batch = running.launch("orders")
        running.wait(batch, "in_progress")
        assert running.containers.stop("daemon") == 0
        assert running.containers.stop("data-aggregation") == 0
        code = running.containers.processes["code"]
        code.terminate()
        until("the wait", lambda: "Waiting up to 600 s for runs" in running.containers.log("code"), 60)
        assert code.poll() is None
    assert code.wait(120) == 0
    running.wait(batch, "completed")
    del running.containers.processes["code"]


@pytest.fixture
def with_workers(stack: Stack) -> Stack:
    """The stack with the profile workers, set up as docs/deployment.md says."""
    containers = stack.containers
    file = containers.folder / "project/.env"
    text = file.read_text(encoding="utf-8")
    if "RUNNER=celery" not in text:
        for service in list(containers.processes):
            containers.stop(service)
        file.write_text(f"{text}RUNNER=celery\n", encoding="utf-8")
        assert containers.run(containers.command("prepare"), "prepare", root=True).returncode == 0
    if "redis" not in containers.processes:
        containers.start("redis")
    stack.start(*WORKERS, *SERVICES)
    stack.sign_in()
    return stack


@pytest.mark.parametrize("killed", ["redis", "worker-1"])
def test_with_workers_no_batch_is_lost_either(with_workers: Stack, killed: str):
    stack = with_workers
    with stack.held("orders"):
        at_work = stack.launch("orders")
        stack.wait(at_work, "in_progress")
        # Not the code server: a worker computes it.
        of_a_worker = [service for service in WORKERS if at_work in stack.containers.log(service)]
        assert len(of_a_worker) == 1
        waiting = stack.launch("users")
        stack.containers.kill(killed)
        stack.containers.start(killed)
        stack.wait_for_health(*WORKERS)
    died = of_a_worker == [killed]
    stack.wait(at_work, "failed" if died else "completed")
    until("an end", lambda: stack.status(waiting) in {"completed", "failed"}, 300, said=stack.logs)
    stack.wait(stack.launch("orders"), "completed")
    until("a row of each run", lambda: rows_of_runs(stack), 60, said=stack.logs)

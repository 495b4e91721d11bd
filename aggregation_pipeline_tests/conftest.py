"""Real servers, started once in a session, in a temporary folder, and only if a test asks for them.

Imports stand inside the fixtures: `pytest some_pure_test.py` should not wait for drivers that it does not use.
"""

import atexit
import gc
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from aggregation_pipeline.settings.garbage_collection import garbage_collection_paused
from aggregation_pipeline_tests.support.servers.endings import endings
from aggregation_pipeline_tests.support.servers.missing import missing

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from aggregation_pipeline_tests.support.deployment import Deployment
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer
    from aggregation_pipeline_tests.support.servers.mariadb import MariaDB
    from aggregation_pipeline_tests.support.servers.mysql56 import MySQL56
    from aggregation_pipeline_tests.support.servers.oss import OssServer

# In CI the same examples each time. No deadlines, because machines differ in speed.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("local", deadline=None)
# The background job of a script ignores SIGINT. Dagster would give SIGTERM the same handler, and every process that a
# test starts would inherit it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.load_profile("ci" if os.environ.get("CI") else "local")
# Container images often set this. Then each of the many processes that tests start would compile Dagster again, which
# takes four seconds.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A guess, for those that do not say how long they may take.
_SECONDS_OF_A_SLOW_TEST = 30
_SLOW_MODULE = re.compile(r"^pytestmark = .*\bpytest\.mark\.slow\b", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-native", action="store_true", help="test what stands in for native/*.c")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--without-native"):
        # As if it had not been built.
        for name in ("_kernels", "_rows"):
            sys.modules[f"aggregation_pipeline.native.{name}"] = None  # type: ignore[assignment]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector from what is imported and collected, which stays until the end.

    It would look through all of it a dozen times meanwhile, and every hundred tests again, for half a second each time.
    """
    try:
        with garbage_collection_paused(then_freeze=True):
            return (yield)
    finally:
        # Extension modules count at the exit what nobody has collected, and say so.
        atexit.register(gc.unfreeze)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a module whose tests are all slow where none of them will run, unless it is asked for by name."""
    if config.getoption("markexpr") == "not slow" and collection_path.match("test_*.py"):
        return bool(_SLOW_MODULE.search(collection_path.read_text(encoding="utf-8"))) or None
    return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """On seekdb and MySQL 5.6, `make test` runs what is marked `sample` (a test, a module), `make test-all` everything.

    Most of what they answer is what MariaDB answers: two thirds of all runs would find little more than a sample does.
    """
    for item in items:
        parameters: dict[str, object] = (
            item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        )
        if parameters.get("mysql") in ("seekdb", "mysql56") and item.get_closest_marker("sample") is None:
            item.add_marker(pytest.mark.slow)
    yield
    if config.getoption("markexpr") != "not slow":
        _begin_with_the_longest(items)


def _begin_with_the_longest(items: list[pytest.Item]) -> None:
    """Sort files by the time that their tests may take: other workers would wait for a long one that came last."""
    seconds: Counter[Path] = Counter()
    for item in items:
        timeout = item.get_closest_marker("timeout")
        seconds[item.path] += timeout.args[0] if timeout else _SECONDS_OF_A_SLOW_TEST
    items.sort(key=lambda item: (-seconds[item.path], item.path))


@pytest.fixture(autouse=True)
def ending() -> Iterator[None]:
    """Drop the databases that a test made, but not those of its module.

    With hundreds of databases, seekdb takes five times as long to read one.
    """
    before = len(endings)
    yield
    while len(endings) > before:
        endings.pop()()


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """Make a folder for servers.

    Its path is short, because a unix socket's path holds 108 bytes. Every account may enter it, because PostgreSQL does
    not run as root.
    """
    with tempfile.TemporaryDirectory(prefix="agg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@pytest.fixture(scope="session")
def seekdb(server_folder: Path) -> "Iterator[MySQLServer]":
    from aggregation_pipeline.embedded.seekdb import USER, spawn_seekdb
    from aggregation_pipeline.errors import PipelineError
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer

    try:
        server = spawn_seekdb(server_folder / "seekdb", report=print).wait_until_ready(print)
    except PipelineError as error:
        missing(str(error))
    yield MySQLServer("seekdb", str(server.socket), None, None, USER, "", "test", server.child.pid)
    # Nobody keeps its data, and after many tables it takes ten seconds to end in good order.
    server.child.popen.kill()
    server.stop()


def _serving(name: str, server: "MariaDB | MySQL56") -> "Iterator[MySQLServer]":
    """Hand a server that has just started to the tests, with a database, and stop it afterwards."""
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer

    handle = MySQLServer(name, str(server.socket), "127.0.0.1", server.port, "root", "", "test", server.child.pid)
    with handle.connect(database=None) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE test CHARACTER SET utf8mb4")
    yield handle
    server.child.popen.kill()
    server.stop()


@pytest.fixture(scope="session")
def mariadb(server_folder: Path) -> "Iterator[MySQLServer]":
    from aggregation_pipeline_tests.support.servers.mariadb import start_mariadb

    try:
        server = start_mariadb(server_folder / "mariadb", tls=True, zones=True)
    except FileNotFoundError as error:
        missing(str(error))
    yield from _serving("mariadb", server)


@pytest.fixture(scope="session")
def mysql56(server_folder: Path) -> "Iterator[MySQLServer]":
    from aggregation_pipeline_tests.support.servers.mysql56 import start_mysql56

    try:
        server = start_mysql56(server_folder / "mysql56")
    except FileNotFoundError as error:
        missing(str(error))
    yield from _serving("mysql56", server)


@pytest.fixture(scope="session", params=["seekdb", "mariadb", "mysql56"])
def mysql(request: pytest.FixtureRequest) -> "MySQLServer":
    """Each test that takes this runs on every server: unless it is marked `sample`, as a slow test on two of them."""
    server: MySQLServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session")
def running_oss() -> "Iterator[OssServer]":
    from aggregation_pipeline_tests.support.servers.oss import OssServer

    with OssServer.start() as server:
        yield server


@pytest.fixture
def oss_server(running_oss: "OssServer") -> "Iterator[OssServer]":
    """An empty bucket, no faults, an empty log."""
    running_oss.reset()
    yield running_oss
    assert running_oss.failures == [], "the test server itself failed"


@pytest.fixture(scope="session")
def postgres(server_folder: Path) -> "Iterator[PostgresServer]":
    """In the zone Asia/Shanghai, where stored times shift as soon as one session forgets UTC."""
    from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, start_postgres
    from aggregation_pipeline.errors import PipelineError
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

    try:
        server = start_postgres(
            server_folder / "postgres", report=print, timezone="Asia/Shanghai", options=THROWAWAY_OPTIONS
        )
    except PipelineError as error:
        missing(str(error))
    yield PostgresServer(server.url(), server)
    server.stop()


@pytest.fixture(scope="session")
def installed_postgres(server_folder: Path) -> "Iterator[PostgresServer]":
    """PostgreSQL of the machine's packages: an older version than the embedded one, with TLS and with XML."""
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer
    from aggregation_pipeline_tests.support.servers.installed_postgres import start_installed_postgres

    server = start_installed_postgres(server_folder / "installed-postgres")
    yield PostgresServer(server.url(), server)
    server.stop()


@pytest.fixture(scope="session", params=["postgres", pytest.param("installed_postgres", marks=pytest.mark.slow)])
def source_postgres(request: pytest.FixtureRequest) -> "PostgresServer":
    """Each test that takes this as its source runs on the embedded PostgreSQL, and as a slow test on an older one."""
    server: PostgresServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session")
def dagster_database(postgres: "PostgresServer") -> str:
    """One Dagster storage for all whole deployments: making its tables takes a second."""
    return postgres.fresh_database()


@pytest.fixture(scope="session")
def stored_runs(postgres: "PostgresServer") -> "Iterator[tuple[str, DagsterInstance]]":
    """One Dagster storage, with its URL, for tests that wipe it: making its tables takes a second."""
    from aggregation_pipeline_tests.support.runs import open_instance

    url = postgres.fresh_database()
    with open_instance(url) as instance:
        yield url, instance


@pytest.fixture
def deployment(mysql: "MySQLServer", dagster_database: str, tmp_path: Path) -> "Deployment":
    """A deployment with a source database and a folder of its own, on every server."""
    from aggregation_pipeline_tests.support.deployment import Deployment

    return Deployment(tmp_path, mysql, mysql.fresh_database(), dagster_database)

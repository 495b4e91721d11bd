"""Ways into the source database that several tests take."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from aggregation_pipeline.config.model import TableEntry
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.reader import Progress, ReadRequest, read_extract
from aggregation_pipeline.source.session import SourceOptions
from aggregation_pipeline_tests.servers.handles import MySQLServer

LOGICAL_TIME = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
SALT = SecretStr("a key that only tests know")
ZONE = ZoneInfo("Asia/Shanghai")


def options_for(server: MySQLServer, database: str) -> SourceOptions:
    return SourceOptions(database=database, user=server.user, socket=Path(server.unix_socket), mask_salt=SALT)


def silent(_dataset: str, _done: int, _total: int | None) -> None:
    pass


@pytest.fixture
def database(mysql: MySQLServer) -> str:
    return mysql.fresh_database()


@pytest.fixture
def execute(mysql: MySQLServer, database: str) -> Callable[[str | Sequence[str]], None]:
    def run(statements: str | Sequence[str]) -> None:
        with mysql.connect(database=database) as connection, connection.cursor() as cursor:
            for statement in [statements] if isinstance(statements, str) else statements:
                cursor.execute(statement)

    return run


@pytest.fixture
def read(mysql: MySQLServer, database: str, tmp_path: Path) -> Callable[..., Extract]:
    """Read an entry, given as the YAML's keys, at LOGICAL_TIME in Asia/Shanghai."""

    def run(progress: Progress = silent, zero_dates: str = "null", warn: Callable[[str], None] = pytest.fail, **keys: object) -> Extract:
        entry = TableEntry.model_validate(keys)
        request = ReadRequest(entry, "2026-11-21", LOGICAL_TIME, ZONE, zero_dates)  # type: ignore[arg-type]
        return read_extract(request, options_for(mysql, database), tmp_path, progress, warn)

    return run

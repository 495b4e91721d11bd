"""A table with two indexes, read by an entry with hints; and the statements over it that a server was sent."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, SALT, ZONE, ignore_progress, run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.replay import Replay

CREATE = "CREATE TABLE {} (id INT PRIMARY KEY, g INT, d DATE, s VARCHAR(999), KEY by_g (g), KEY by_d (d))"
FILL = "INSERT INTO {} VALUES (1, 1, '2026-11-01', 'a'), (2, 1, '2026-11-02', 'b'), (3, 2, '2026-11-02', 'c')"
BOTH: dict[str, Any] = {
    "groupBy": ["g"],
    "aggregations": [{"function": "COUNT", "alias": "c"}],
    "selectFields": ["id", "g"],
    "where": "g >= 1",
}


def shop_of(server: MySQLServer) -> str:
    """A database with the table `t`, and two shards of the same kind."""
    database = server.fresh_database()
    for table in ("t", "t_0", "t_1"):
        run_on(server, database, [CREATE.format(table), FILL.format(table)])
    return database


def options_of(replay: Replay, database: str) -> SourceOptions:
    """Options that reach the database through a replaying server."""
    return SourceOptions(database, replay.account.user, host="127.0.0.1", port=replay.port, mask_salt=SALT)


def request_of(**keys: Any) -> ReadRequest:
    """A request for an entry of these keys over `t`."""
    return ReadRequest(TableEntry.model_validate({"name": "t", **keys}), "2026-11-21", LOGICAL_TIME, ZONE)


def read_from(replay: Replay, database: str, folder: Path, warn: Callable[[str], None], **keys: Any) -> Extract:
    """Read such an entry through a replaying server."""
    return read_extract(request_of(**keys), options_of(replay, database), folder, ignore_progress, warn)


def of_rows(replay: Replay) -> list[str]:
    """The statements that read the entry's rows, without those of EXPLAIN."""
    return [sql for sql in replay.statements if re.search(r"FROM `t(_\d)?`", sql) and "EXPLAIN" not in sql]

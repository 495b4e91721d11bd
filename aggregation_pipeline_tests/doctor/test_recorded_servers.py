"""What the doctor says of servers of MySQL's kin, by what they are documented to answer."""

from pathlib import Path

import pytest

from aggregation_pipeline.doctor.source import examine_source
from aggregation_pipeline_tests.doctor.conftest import found_by
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.recordings import RECORDED, recorded


@pytest.mark.parametrize(
    "name", [name if name == "clickhouse" else pytest.param(name, marks=pytest.mark.slow) for name in RECORDED]
)
def test_each_server_is_examined_to_the_end(
    name: str, mysql56: MySQLServer, shop: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    database = mysql56.fresh_database()
    with mysql56.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE users (id INT PRIMARY KEY)")
    shop.configure("tables: {users: {consistency: none}}")
    with recorded(name, mysql56, tmp_path) as replay:
        address = {"DB_SOCKET": "", "DB_HOST": "127.0.0.1", "DB_PORT": str(replay.port)}
        shop.enter(monkeypatch, **address, DB_USER=replay.account.user, DB_PASSWORD="", DB_NAME=database)
        found = found_by(examine_source)
        assert not [finding for finding in found.values() if finding.status == "failure"]
        without = name in ("analyticdb", "clickhouse", "doris", "starrocks")
        assert ("which all entries allow" in found["snapshot"].text) == without
        assert ("one read-only snapshot, by a transaction" in found["snapshot"].text) != without
        assert "limit" in found["abilities"].text
        shop.configure("tables: {users: {}}")
        assert found_by(examine_source)["snapshot"].status == ("failure" if without else "ok")

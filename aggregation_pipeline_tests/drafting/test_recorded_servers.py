"""A draft of a server without snapshots says so in each entry, so that it can run."""

from dataclasses import replace
from pathlib import Path

from aggregation_pipeline_tests.drafting.shop import body, drafted, how
from aggregation_pipeline_tests.support.reading import SALT
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.recordings import recorded


def test_entries_of_a_server_without_snapshots_need_none(mysql56: MySQLServer, tmp_path: Path):
    database = mysql56.fresh_database()
    with mysql56.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id INT PRIMARY KEY, amount DECIMAL(10,2))")
        cursor.execute("INSERT INTO orders VALUES (1, 2.5)")
    with recorded("starrocks", mysql56, tmp_path) as replay:
        at = how(mysql56, database)
        by_port = replace(
            at.options, user=replay.account.user, host="127.0.0.1", port=replay.port, socket=None, mask_salt=SALT
        )
        drafts = drafted(replace(at, options=by_port))
    assert body(drafts["orders"])["consistency"] == "none"

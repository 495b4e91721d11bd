"""`readers`: from the server to the client, and no further. It shows why we have a reader of our own."""

from collections.abc import Callable
from typing import Any

from benchmarks import ours
from benchmarks.data import Source
from benchmarks.judging import Result
from benchmarks.measuring import Contender, compare, probe, watched
from benchmarks.peers import python_peer
from benchmarks.registry import Plan


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Compare all readers with the raw client. Only ours and connectorx return Arrow."""
    given: dict[str, Any] = {"address": source.address, "folder": str(source.folder)}
    contenders = [
        Contender("raw client, mariadb --quick --batch", watched(source.client(ours.statement(ours.DETAIL)))),
        Contender("ours, to Arrow", probe("ours:arrow_rows", address=source.address), "exact", is_ours=True),
    ]
    if plan.peers:
        contenders += [
            Contender(
                "connectorx arrow_stream", python_peer("read_connectorx", **given), "Arrow; DECIMAL cut after 10 places"
            ),
            Contender(
                "asyncmy SSCursor, no converters",
                python_peer("read_asyncmy", **given, converters=False),
                "tuples of text",
            ),
            Contender("asyncmy SSCursor", python_peer("read_asyncmy", **given), "tuples"),
            Contender("mysql-connector-python, raw, C", python_peer("read_connector", **given), "tuples of bytes; GPL"),
            Contender("PyMySQL SSCursor", probe("python_peers:read_pymysql", **given), "tuples"),
        ]
    return compare("readers", contenders, rounds=plan.rounds, paired=True, report=report)

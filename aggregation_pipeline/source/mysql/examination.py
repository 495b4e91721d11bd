"""What `check` finds of a server: whether it can be read exactly, by an account that can do no more than that."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from aggregation_pipeline.config.hosts_and_urls import is_loopback
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.findings import Finding, failure, ok, warning
from aggregation_pipeline.source.kind import OtherSource
from aggregation_pipeline.source.mysql.errors import REPEATABLE
from aggregation_pipeline.source.mysql.one_server import warn_of_other_names
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline.source.mysql.shard import find_shards, unread_shards
from aggregation_pipeline.source.options import SourceOptions

_KINDS: Final = ("MariaDB", "TiDB", "seekdb", "OceanBase", "StarRocks", "Doris")
_READS: Final = {
    *("SELECT", "SHOW VIEW", "SHOW DATABASES", "USAGE", "PROCESS", "REPLICATION CLIENT", "BINLOG MONITOR"),
    *("SLAVE MONITOR", "REPLICA MONITOR", "EXECUTE", "LOCK TABLES", "CREATE TEMPORARY TABLES", "PROXY"),
}
_LAG_SECONDS: Final = 60
# Tables that a finding names.
_SHOWN: Final = 8
_LEADING: Final = sa.text(
    "SELECT 1 FROM information_schema.statistics WHERE table_schema = COALESCE(:database, DATABASE())"
    " AND table_name = :table AND seq_in_index = 1 AND LOWER(column_name) = LOWER(:column) LIMIT 1"
)
_VIEW: Final = sa.text(
    "SELECT 1 FROM information_schema.tables WHERE table_schema = COALESCE(:database, DATABASE())"
    " AND table_name = :table AND table_type LIKE '%VIEW'"
)


def examine(
    options: SourceOptions, zone: ZoneInfo, entries: Sequence[TableEntry], others: Sequence[OtherSource]
) -> Iterator[Finding]:
    """Open a session as a run does, and look at server, account and tables through it."""
    reached = False
    try:
        for finding in _in_session(options, zone, entries, others):
            reached = True
            yield finding
    except SourceLostError as error:
        yield failure(
            "connection",
            str(error).removesuffix(REPEATABLE),
            "Check DB_HOST and DB_PORT, that the server runs and does not hang, and the network between",
        )
    except SourceError as error:
        if reached:
            raise
        yield failure("connection", str(error))


def _in_session(
    options: SourceOptions, zone: ZoneInfo, entries: Sequence[TableEntry], others: Sequence[OtherSource]
) -> Iterator[Finding]:
    with open_session(options, logical_time=datetime.now(UTC), zone=zone, require_snapshot=False) as session:
        yield ok("reach", f"{options.where} answers: {_kind(session)}")
        yield ok(
            "session", "sql_mode, time zone, time limits and isolation could be set, as far as the server has them"
        )
        yield _snapshot(session, needed=not entries or any(entry.consistency == "snapshot" for entry in entries))
        yield _abilities(session)
        by_socket = options.socket is not None or is_loopback(options.host or "")
        yield _asked("grants", lambda: _grants(session))
        yield _asked("time zone", lambda: _named_zones(session, zone.key))
        yield _asked("TLS", lambda: _tls(session, by_socket=by_socket))
        yield _replica(session)
        for entry in entries:
            yield _table(session, entry)
        yield from warn_of_other_names(session, options, entries, others)


def _asked(name: str, question: Callable[[], Finding]) -> Finding:
    """What a question finds; not every server of MySQL's kin knows each of them."""
    try:
        return question()
    except SourceLostError:
        raise
    except SourceError:
        return ok(name, "not known: the server does not answer that question")


def _kind(session: Session) -> str:
    try:
        (comment,) = session.row("SELECT @@version_comment")
    except SourceLostError:
        raise
    except SourceError:
        comment = ""
    said = f"{session.server} {comment}".casefold()
    kind = next((kind for kind in _KINDS if kind.casefold() in said), "MySQL")
    return f"{kind}, version {session.server}"


def _snapshot(session: Session, *, needed: bool) -> Finding:
    """Whether there is a snapshot; `needed`: by an entry that does not say `consistency: none`."""
    if session.snapshot:
        return ok("snapshot", next(session.capabilities.in_words()))
    text = f"the server {session.capabilities.no_snapshot}: summary and detail rows could disagree"
    if not needed:
        return ok("snapshot", f"{text}, which all entries allow (`consistency: none`)")
    return failure("snapshot", text, "Allow REPEATABLE READ for this user, or write `consistency: none` in the entries")


def _abilities(session: Session) -> Finding:
    _, *others = session.capabilities.in_words()
    return ok("abilities", "; ".join(others))


def _grants(session: Session) -> Finding:
    """What the account may do besides reading. The statements may hold the hash of its password: only words of rights
    are taken from them.
    """
    _, rows = session.rows("SHOW GRANTS")
    statements = [str(text) for (text, *_) in rows]
    listed = [found[1] for text in statements if (found := re.match(r"GRANT (.+?) ON ", text))]
    rights = {re.sub(r"\(.*?\)", "", right).strip().upper() for text in listed for right in text.split(", ")}
    rights |= {"GRANT OPTION" for text in statements if text.endswith("WITH GRANT OPTION")}
    more = sorted(right for right in rights - _READS if re.fullmatch(r"[A-Z_ ]+", right))
    if not more:
        return ok("grants", "the account can read, and no more")
    return warning(
        "grants",
        f"the account can do more than read: {', '.join(more[:8])}{', ...' if len(more) > 8 else ''}",
        "Take an account that has SELECT alone: GRANT SELECT ON your_database.* TO 'exporter'@'%'",
    )


def _named_zones(session: Session, zone: str) -> Finding:
    (found,) = session.row(f"SELECT CONVERT_TZ('2026-01-01 00:00:00', 'UTC', '{zone}') IS NOT NULL")
    if found:
        return ok("time zone", f"the server knows {zone} by name")
    return warning(
        "time zone",
        f"the server does not know {zone} by name, so times that change their offset cannot be converted in SQL",
        "Load its tables: mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql mysql",
    )


def _tls(session: Session, *, by_socket: bool) -> Finding:
    _, rows = session.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    cipher = rows[0][1] if rows else ""
    if cipher:
        return ok("TLS", f"the connection is encrypted ({cipher})")
    if by_socket:
        return ok("TLS", "the server is on this machine, and the connection is not encrypted")
    return warning(
        "TLS",
        "the connection goes over the network, and is not encrypted",
        "Let the server offer TLS, and set DB_SSL_MODE=REQUIRED, or VERIFY_IDENTITY",
    )


def _replica(session: Session) -> Finding:
    for statement in ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS"):
        try:
            names, rows = session.rows(statement)
        except SourceLostError:
            raise
        except SourceError:
            # Another server's word for it, or the account may not ask.
            continue
        if not rows:
            return ok("replica", "the server is no replica")
        status = dict(zip([name.casefold() for name in names], rows[0], strict=True))
        lag = status.get("seconds_behind_source", status.get("seconds_behind_master"))
        if lag is None or int(lag) > _LAG_SECONDS:
            what = "is stopped" if lag is None else f"is {int(lag):,} s behind"
            return warning("replica", f"the server is a replica that {what}: files would show old data", _BEHIND)
        return ok("replica", f"the server is a replica, {int(lag)} s behind")
    return ok("replica", "not known: the account may not ask (REPLICATION CLIENT)")


_BEHIND: Final = "Let it catch up, or read from the primary"


def _table(session: Session, entry: TableEntry) -> Finding:
    if len(entry.shards) > 1:
        return _shards(session, entry)
    source, where = entry.source_table, f"tables.{entry.name}"
    columns = session.columns(source.database, source.name)
    if not columns:
        return failure(
            where,
            f"there is no table {entry.table}, or the account may not read it",
            "Correct the name, or GRANT SELECT on it",
        )
    partition = entry.partition
    if partition is None:
        return ok(where, f"{entry.table} can be read: {len(columns)} columns")
    has_index, is_view = _index_on(session, source, partition.column)
    if is_view:
        return ok(where, f"{entry.table} can be read; it is a view, so its tables' indexes count")
    if has_index:
        return ok(where, f"{entry.table} can be read, and an index begins with {partition.column}")
    return warning(
        where,
        f"no index of {entry.table} begins with {partition.column}: each window reads the whole table",
        f"CREATE INDEX ... ON {entry.table} ({partition.column})",
    )


def _shards(session: Session, entry: TableEntry) -> Finding:
    """Whether all shards are there and alike, have an index for windows, and whether more are there than are read."""
    where = f"tables.{entry.name}"
    try:
        found = find_shards(session, entry)
    except SourceLostError:
        raise
    except SourceError as error:
        return failure(where, str(error), "Until then the table fails")
    problems, remedies = list[str](), list[str]()
    column = entry.partition.column if entry.partition else None
    if bare := [str(each) for each in entry.shards if column and not any(_index_on(session, each, column))]:
        problems.append(f"no index of {some_of(bare, _SHOWN)} begins with {column}: each window reads all of that")
        remedies.append(f"CREATE INDEX ... ON {bare[0]} ({column}){' and so on' if len(bare) > 1 else ''}")
    if more := unread_shards(session, entry):
        problems.append(more)
        remedies.append("If they belong to it, add them to the entry's table")
    if problems:
        return warning(where, "; ".join(problems), "; ".join(remedies))
    indexed = f", and an index of each begins with {column}" if column else ""
    return ok(where, f"{entry.table} can be read: {len(found):,} shards, {len(found[0].columns)} columns{indexed}")


def _index_on(session: Session, table: TableName, column: str) -> tuple[bool, bool]:
    """Whether an index of the table begins with the column, and whether it is a view, which has none of its own."""
    given = {"database": table.database, "table": table.name, "column": column}
    with session.translate_errors():
        has_index = session.connection.execute(_LEADING, given).first() is not None
        return has_index, session.connection.execute(_VIEW, given).first() is not None

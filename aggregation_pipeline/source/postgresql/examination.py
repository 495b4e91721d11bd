"""What `check` finds of a server: whether it can be read exactly, by an account that can do no more than that."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.hosts_and_urls import is_loopback
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.findings import Finding, failure, ok, warning
from aggregation_pipeline.source.kind import OtherSource
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.errors import REPEATABLE
from aggregation_pipeline.source.postgresql.examined_tables import examine_table
from aggregation_pipeline.source.postgresql.one_server import warn_of_other_names
from aggregation_pipeline.source.postgresql.savepoint import savepoint
from aggregation_pipeline.source.postgresql.session import Session, open_session

_LAG_SECONDS: Final = 60
# Rights and tables that a finding names.
_SHOWN: Final = 5
_TRANSACTIONS: Final = 3
_RIGHTS: Final = """
    SELECT unnest(array_remove(ARRAY[
        CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
        CASE WHEN has_database_privilege(current_database(), 'CREATE') THEN 'CREATE in the database' END
    ], NULL)) FROM pg_roles WHERE rolname = current_user
    UNION ALL SELECT 'CREATE in the schema ' || nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND has_schema_privilege(oid, 'CREATE')
"""
_WRITABLE: Final = """
    SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
         OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))
    ORDER BY 1 LIMIT 100
"""
_REPLICA: Final = """
    SELECT current_setting('hot_standby_feedback'), current_setting('max_standby_streaming_delay'),
           (SELECT setting::bigint FROM pg_settings WHERE name = 'max_standby_streaming_delay'),
           EXISTS (SELECT 1 FROM pg_stat_wal_receiver), pg_is_wal_replay_paused()
"""
_READ_ONLY: Final = (
    "Take an account that can only read: CREATE ROLE exporter LOGIN PASSWORD '...'; GRANT USAGE ON SCHEMA public TO"
    " exporter; GRANT SELECT ON ALL TABLES IN SCHEMA public TO exporter"
)


def examine(
    options: SourceOptions, zone: ZoneInfo, entries: Sequence[TableEntry], others: Sequence[OtherSource] = ()
) -> Iterator[Finding]:
    """Open a session as a run does, and look at server, account and tables through it."""
    try:
        yield from _in_session(options, zone, entries, others)
    except SourceLostError as error:
        yield failure(
            "connection",
            str(error).removesuffix(REPEATABLE),
            "Check DB_HOST and DB_PORT, that the server runs and does not hang, and the network between",
        )
    except SourceError as error:
        # Of the login, the version, the zone: it says itself what to do.
        yield failure("connection", str(error))


def _in_session(
    options: SourceOptions, zone: ZoneInfo, entries: Sequence[TableEntry], others: Sequence[OtherSource]
) -> Iterator[Finding]:
    with open_session(options, zone=zone, names=[entry.source_table.name for entry in entries]) as session:
        by_socket = options.socket is not None or is_loopback(options.host or "")
        questions: dict[str, Callable[[], Finding]] = {
            "session": lambda: _session(session),
            "snapshot": lambda: _snapshot(session),
            "grants": lambda: _grants(session),
            "time zone": lambda: _time_zone(session),
            "TLS": lambda: _tls(session, by_socket=by_socket),
            "replica": lambda: _replica(session),
        }
        yield ok("reach", f"{options.where} answers: {session.server}")
        for name, question in questions.items():
            yield _asked(session, name, question)
        for entry in entries:
            yield _table(session, entry)
        yield from warn_of_other_names(session, options, entries, others)
        # Last, because it ends the transaction.
        yield _pooler(session)


def _asked(session: Session, name: str, question: Callable[[], Finding]) -> Finding:
    """What a question finds; servers that speak PostgreSQL's protocol do not all know each of them."""
    try:
        with savepoint(session):
            return question()
    except SourceLostError:
        raise
    except SourceError:
        return ok(name, "not known: the server does not answer that question")


def _table(session: Session, entry: TableEntry) -> Finding:
    try:
        with savepoint(session):
            return examine_table(session, entry)
    except SourceLostError:
        raise
    except SourceError as error:
        return failure(f"tables.{entry.name}", str(error))


def _session(session: Session) -> Finding:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    asked = ", ".join(f"current_setting('{name}')" for name in names)
    limits = ", ".join(
        f"{name} {value}" for name, value in zip(names, session.link.row(f"SELECT {asked}"), strict=True)
    )
    return ok("session", f"the transaction is read-only; limits on time could be set: {limits}")


def _snapshot(session: Session) -> Finding:
    """Whether two statements see the same; that the transaction is REPEATABLE READ was seen when it began."""
    asked = "SELECT pg_current_snapshot()::text, current_setting('default_transaction_isolation')"
    (first, default), (second, _) = session.link.row(asked), session.link.row(asked)
    if first != second:
        return failure(
            "snapshot",
            "two statements of one transaction see different snapshots: summary and detail rows could disagree",
            "Connect to the database itself, without a proxy in between",
        )
    return ok("snapshot", f"all statements of a read see one snapshot (REPEATABLE READ; sessions begin as {default})")


def _grants(session: Session) -> Finding:
    """What the account may do besides reading. The transactions of a read are read-only, whatever it may."""
    more = [right for (right,) in session.link.rows(_RIGHTS)]
    writable = [table for (table,) in session.link.rows(_WRITABLE)]
    if writable:
        more.append(f"writing to {some_of(writable, _SHOWN)}")
    if not more:
        return ok("grants", "the account can read, and no more")
    return warning("grants", f"the account can do more than read: {some_of(more, _SHOWN)}", _READ_ONLY)


def _time_zone(session: Session) -> Finding:
    (zone,) = session.link.row("SELECT current_setting('TimeZone')")
    return ok("time zone", f"the server knows {zone} by name, and sessions compute in it")


def _tls(session: Session, *, by_socket: bool) -> Finding:
    found = session.link.rows("SELECT ssl, version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    encrypted, version, cipher = found[0] if found else (False, "", "")
    if encrypted:
        return ok("TLS", f"the connection is encrypted ({version}, {cipher})")
    if by_socket:
        return ok("TLS", "the server is on this machine, and the connection is not encrypted")
    return warning(
        "TLS",
        "the connection goes over the network, and is not encrypted",
        "Let the server offer TLS (ssl = on), and set DB_SSL_MODE=REQUIRED, or VERIFY_IDENTITY",
    )


def _replica(session: Session) -> Finding:
    replica = session.replica
    if replica is None:
        return ok("replica", "the server is no replica")
    feedback, delay, milliseconds, receives, paused = session.link.row(_REPLICA)
    age = None if replica.applied is None else (datetime.now(UTC) - replica.applied).total_seconds()
    applied = f"what it applied last is {max(0, age):,.0f} s old" if age is not None else "it has applied nothing yet"
    if paused:
        return warning("replica", f"the server is a replica that is paused; {applied}", "SELECT pg_wal_replay_resume()")
    # Of a primary that writes nothing no news comes either.
    behind = age is None or age > _LAG_SECONDS
    if behind and not (receives and replica.caught_up):
        what = "behind" if receives else "without a connection to its primary"
        return warning(
            "replica",
            f"the server is a replica {what}, {applied}: files would show old data",
            "Let it catch up, or read from the primary",
        )
    if feedback != "on" and milliseconds >= 0:
        return warning(
            "replica",
            f"the server is a replica with hot_standby_feedback off: what changes on the primary ends a read after"
            f" max_standby_streaming_delay = {delay}",
            "Set hot_standby_feedback = on there, or a longer max_standby_streaming_delay",
        )
    return ok("replica", f"the server is a replica, {applied}")


def _pooler(session: Session) -> Finding:
    """Whether transactions meet different processes of the server; for a read, which is one, both is well."""
    processes = set()
    try:
        for _ in range(_TRANSACTIONS):
            session.link.run("ROLLBACK")
            session.link.run("BEGIN READ ONLY")
            processes.add(session.link.row("SELECT pg_backend_pid()"))
    except SourceLostError:
        raise
    except SourceError:
        return ok("pooler", "not known: the server does not answer that question")
    if len(processes) > 1:
        return ok("pooler", "a pooler by transactions is in between; a read is one transaction, so that is well")
    return ok("pooler", "transactions meet one and the same process of the server")

"""A session: one connection and one read-only snapshot, through which a window of one table is read."""

import contextlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.errors import SnapshotError, SourceError, SourceLostError
from aggregation_pipeline.source.named_variables import named_variables
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.connection import connection_text
from aggregation_pipeline.source.postgresql.link import Link
from aggregation_pipeline.source.postgresql.settings import settings_sql, statement_timeout

_OLDEST: Final = 140_000
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
NO_LIMITS: Final = SourceLimits()


@dataclass(frozen=True)
class SourceColumn:
    """A column of a table.

    Attributes:
        type: its type, or what its domain is made of, by the server's short name: timestamptz.
        full_type: as the server writes it: numeric(10,2), timestamp(3) without time zone, or the domain's name.
        typmod: what a numeric was declared with, in the server's own number; -1 for nothing.
        generated: the SQL that computes it; empty for a column that is written.
    """

    name: str
    type: str
    full_type: str
    typmod: int = -1
    comment: str = ""
    generated: str = ""
    not_null: bool = False


@dataclass(frozen=True)
class Key:
    """Columns that tell rows apart, none of which can be NULL."""

    columns: tuple[str, ...] = ()
    is_primary: bool = False

    @property
    def words(self) -> str:
        """What it is, for people; empty if there is none."""
        kind = "primary key" if self.is_primary else "unique key"
        return f"{kind} ({', '.join(self.columns)})" if self.columns else ""


NO_KEY: Final = Key()


@dataclass(frozen=True)
class Replica:
    """How far a replica has come.

    Attributes:
        caught_up: whether its primary sends it changes, and it has applied all that came.
        applied: when what it applied last was committed on the primary; None if it has applied nothing since its start.
    """

    caught_up: bool
    applied: datetime | None


@dataclass(frozen=True)
class Session:
    """An open snapshot.

    Attributes:
        server: the server's version, as people have it: PostgreSQL 18.6.
        version: its number: 180006.
        zone: whose clock the session computes with.
        replica: of a replica, how far it has come; None for a primary.
    """

    link: Link
    server: str
    version: int
    zone: ZoneInfo
    replica: Replica | None = None
    _columns: dict[TableName, Mapping[str, SourceColumn]] = field(default_factory=dict)

    def columns(self, table: TableName) -> Mapping[str, SourceColumn]:
        """Return a table's columns by name, in their order; empty if there is no such table."""
        if table not in self._columns:
            self._columns[table] = self._read_columns(table)
        return self._columns[table]

    def _read_columns(self, table: TableName) -> Mapping[str, SourceColumn]:
        rows = self.link.rows(
            "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
            " col_description(a.attrelid, a.attnum),"
            " CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END"
            " FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
            f" WHERE a.attrelid = {regclass(table)} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        )
        if not rows:
            return {}
        names = ", ".join(POSTGRESQL.quote(row[0]) for row in rows)
        # The server looks through domains when it describes a statement, and asks for no right to the columns.
        described = self.link.describe(f"SELECT {names} FROM {POSTGRESQL.quoted(*table)}")
        return {
            name: SourceColumn(
                name=name,
                type=type_name(each.metadata),
                full_type=full_type,
                typmod=int((each.metadata or {}).get(b"POSTGRESQL:typmod", b"-1")),
                comment=comment or "",
                generated=generated or "",
                not_null=not_null,
            )
            for (name, full_type, not_null, comment, generated), each in zip(rows, described, strict=True)
        }

    def key(self, table: TableName) -> Key:
        """Return the primary key, else the shortest unique key; none for a view, or where other tables inherit."""
        rows = self.link.rows(
            "SELECT i.indisprimary, array_agg(a.attname::text ORDER BY k.place)"
            " FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid"
            " CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY AS k(attnum, place)"
            " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
            f" WHERE i.indrelid = {regclass(table)} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL"
            " AND i.indexprs IS NULL AND k.place <= i.indnkeyatts AND NOT (c.relkind = 'r' AND c.relhassubclass)"
            " GROUP BY i.indexrelid, i.indisprimary, i.indnkeyatts HAVING bool_and(a.attnotnull)"
            " ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1"
        )
        return Key(tuple(rows[0][1]), is_primary=rows[0][0]) if rows else NO_KEY

    def export(self) -> str:
        """Return what another session of the server joins the snapshot by, as long as this one is open."""
        return str(self.link.row("SELECT pg_export_snapshot()")[0])

    def limit_statements(self, seconds: float) -> None:
        """Let the server end every later statement after so many seconds."""
        self.link.run(f"SET LOCAL statement_timeout = '{statement_timeout(seconds)}'")


def regclass(table: TableName) -> str:
    """Return SQL for a table's number; NULL if there is no such table."""
    return f"to_regclass({POSTGRESQL.literal('text', POSTGRESQL.quoted(*table))})"


def type_name(metadata: Mapping[bytes, bytes] | None) -> str:
    """Return what ADBC says of a column's type; empty if it says nothing."""
    return (metadata or {}).get(b"POSTGRESQL:type", b"").decode()


@contextlib.contextmanager
def open_session(
    options: SourceOptions,
    *,
    zone: ZoneInfo,
    limits: SourceLimits = NO_LIMITS,
    names: Sequence[str] = (),
    joins: Session | None = None,
) -> Iterator[Session]:
    """Connect, begin a read-only snapshot, and set every setting that could change a result.

    Args:
        options: the server.
        zone: whose clock the session computes with.
        limits: how much load the session may put on the server.
        names: of the entry that is read, which errors may repeat.
        joins: another session on the server, whose snapshot this one sees and with whose time it ends.

    Raises:
        SourceLostError: no connection.
        SnapshotError: what answers gives no snapshot.
        SourceError: the server refuses the login, is too old, or does not know the zone.
    """
    with named_variables(options.name):
        link = Link(
            connection_text(options),
            where=options.where,
            user=options.user,
            # A pooler without a connection to spare keeps a session waiting, and the one that it joins with it.
            patience=options.stall_timeout if joins is None else options.connect_timeout,
            connect_timeout=options.connect_timeout,
        )
        try:
            link.quotable = link.quotable.plus(names)
            link.end_after(limits.max_snapshot_seconds)
            link.run(_BEGIN)
            if joins is not None:
                link.end_with(joins.link)
                link.run(f"SET TRANSACTION SNAPSHOT {POSTGRESQL.literal('text', joins.export())}")
                link.patience = options.stall_timeout
            yield _begin(link, zone, limits, _order_key(options.mask_salt))
            with contextlib.suppress(SourceError):
                link.run("ROLLBACK")
        finally:
            link.close()


def _begin(link: Link, zone: ZoneInfo, limits: SourceLimits, order_key: str) -> Session:
    version, server, isolation, read_only, in_recovery, caught_up, applied, *_ = link.row(
        settings_sql(limits, order_key)
    )
    if version < _OLDEST:
        raise SourceError(
            f"the server is {_product(server)}, and PostgreSQL {_OLDEST // 10_000} or newer is needed: older ones get"
            " no more corrections."
        )
    if isolation != "repeatable read" or read_only != "on":
        raise SnapshotError(
            f"the transaction is {isolation}, read-only {read_only}, although {_BEGIN} was sent: a proxy in between"
            " changes it. Connect to the database itself."
        )
    try:
        link.run(f"SET LOCAL TimeZone = {POSTGRESQL.literal('text', zone.key)}")
    except SourceLostError:
        raise
    except SourceError as error:
        raise SourceError(
            f"the server does not know the time zone {zone.key}. Set the table's timezone to one that"
            " pg_timezone_names lists there."
        ) from error
    moment = None if applied is None else datetime.fromtimestamp(applied, UTC)
    replica = Replica(bool(caught_up), moment) if in_recovery else None
    return Session(link, _product(server), version, zone, replica)


def _product(version: str) -> str:
    return version.partition(" on ")[0]


def _order_key(salt: SecretStr) -> str:
    """Return the key of the hash that orders rows by a masked column; the salt cannot be computed from it."""
    return hmac.digest(salt.get_secret_value().encode(), b"order of masked rows", "sha256").hex()

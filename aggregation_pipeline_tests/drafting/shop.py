"""A database as companies have them, and what is drafted of it."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.yaml.writing import Commented
from aggregation_pipeline.drafting.draft import Draft, How, Refused, draft_tables, find_tables
from aggregation_pipeline.drafting.left_out import tables_named
from aggregation_pipeline.drafting.words import Words
from aggregation_pipeline.source.catalogue import Table
from aggregation_pipeline.source.kept_connections import kept_connections
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline_tests.support.canaries import CORES
from aggregation_pipeline_tests.support.reading import options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

NOW: Final = datetime(2026, 11, 20, 2, tzinfo=UTC)
_Q, _V, _N, _C, _E = CORES
PHONES: Final = [f"139{n:04}{_N[:4]}" for n in range(40)]
# Personal data, and other cells, none of which may ever be shown.
CELLS: Final = (*CORES, _N[:4], "oGZUI0egBJY1zhBYw2KhdUfwV", "62284804025648900", "1101051949123100", "110105")
MEMBERS: Final = (
    "CREATE TABLE members (id BIGINT PRIMARY KEY COMMENT '会员编号', f1 VARCHAR(30), contact_way VARCHAR(60),"
    " xm VARCHAR(20), sfz CHAR(18), card DECIMAL(19,0), wx VARCHAR(40), password VARCHAR(64), birthday "
    "DATE, addr VARCHAR(90) COMMENT '收货地址', f9 VARCHAR(80), level TINYINT, balance DECIMAL(12,2), "
    "born_year SMALLINT, vip TINYINT(1), photo BLOB, add_time INT UNSIGNED, updated_at DATETIME, KEY "
    "(updated_at)) COMMENT '会员表'"
)
ORDERS: Final = (
    "CREATE TABLE orders (order_id BIGINT PRIMARY KEY, order_no VARCHAR(32) UNIQUE, member_id BIGINT, "
    "status VARCHAR(16), pay_channel VARCHAR(200), total_amount DECIMAL(12,2), item_count INT, unit_price"
    " DECIMAL(10,2), is_deleted TINYINT(1), paid_at DATETIME, created_at DATETIME NOT NULL, KEY "
    "(created_at), KEY (paid_at)) COMMENT '订单'"
)


def member(n: int) -> str:
    """One row of the members: phone, e-mail, name, ID card, bank card, openid and so on."""
    return (
        f"({n}, '{PHONES[n]}', '{_Q}{n}@{_V}.com', '{_C}', '11010519491231002X', 6228480402564890018,"
        f" 'oGZUI0egBJY1zhBYw2KhdUfwV{n:03}', '{_V}', '1949-12-31', '{_C}{n}', '{_C} {PHONES[n]} {_C}', {n % 3}, {n}.5,"
        f" 1949, {n % 2}, '{_E}', {1_700_000_000 + n}, '2026-01-01')"
    )


def order(n: int) -> str:
    """One row of the orders."""
    return (
        f"({n}, '{_Q}{n}', {n % 7}, '{_Q}{n % 3}', '{_V}{n % 4}', {n}.25, {n % 5}, {n}.5, 0, NULL,"
        f" '2026-0{n % 6 + 3}-15 10:00:00')"
    )


ROWS: Final = (
    f"INSERT INTO members VALUES {', '.join(map(member, range(40)))}",
    f"INSERT INTO orders VALUES {', '.join(map(order, range(40)))}",
)


def how(server: MySQLServer, database: str, **changes: Any) -> How:
    """Look at a database as `init` does."""
    limits = SourceLimits(timeout_seconds=10, lock_wait_seconds=5, max_snapshot_seconds=100)
    given = {"limits": limits, "words": Words("en"), **changes}
    return How(options_for(server, database), ZoneInfo("Asia/Shanghai"), now=NOW, **given)


def opened(at: How) -> AbstractContextManager[Session]:
    """A session as each table has it."""
    return open_session(at.options, logical_time=at.now, zone=at.zone, limits=at.limits, require_snapshot=False)


def tables_of(at: How) -> list[Table]:
    """The tables of the database."""
    with kept_connections():
        return find_tables(at)


def drafted(at: How, names: Sequence[str] = ()) -> dict[str, Draft | Refused]:
    """What becomes of each table, by its name; of all, or of those that are named."""
    with kept_connections():
        tables = find_tables(at)
        chosen = tables_named(names, tables) if names else tables
        return {result.table.name: result for result in draft_tables(at, chosen)}


def body(draft: Draft | Refused) -> dict[str, Any]:
    """The entry without its comments."""
    assert isinstance(draft, Draft), draft
    plain: dict[str, Any] = without_comments(draft.entry)
    return plain


def without_comments(node: Any) -> Any:
    """A value as the loader reads it."""
    if isinstance(node, Commented):
        return without_comments(node.value)
    if isinstance(node, dict):
        return {key: without_comments(value) for key, value in node.items()}
    return [without_comments(item) for item in node] if isinstance(node, list) else node


def leaks(*texts: str) -> list[str]:
    """Cells that a text repeats."""
    return [cell for cell in CELLS if any(cell.casefold() in text.casefold() for text in texts)]


def entries_text(drafts: Iterable[Draft | Refused]) -> str:
    """All that drafts say, comments included."""
    return repr(list(drafts))

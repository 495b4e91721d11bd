"""Whether all rows came: the server's own count, in the same snapshot, against the rows that arrived."""

from dataclasses import replace
from typing import Final

from aggregation_pipeline.errors import RowCountError
from aggregation_pipeline.source.mysql.query import DatasetQuery
from aggregation_pipeline.source.mysql.session import Session
from aggregation_pipeline.source.mysql.storage_engines import StorageEngines
from aggregation_pipeline.source.mysql.warnings import check_warnings

# Limits on rows that people and proxies set are round numbers.
_ROUND: Final = 100


def count_before(session: Session, query: DatasetQuery) -> int | None:
    """Rows to come, for progress and for the comparison; None where only running the query could tell.

    Raises:
        SourceError: the server had doubts about a value in the condition.
    """
    return None if query.count_sql is None else _counted(session, query.count_sql, query.dataset)


def compare_counts(
    session: Session, query: DatasetQuery, arrived: int, expected: int | None, engines: StorageEngines
) -> None:
    """Raise where the rows that arrived are not those that the server counts. To be asked right after the rows came.

    Args:
        session: in whose snapshot the rows were read.
        query: that gave them.
        arrived: rows.
        expected: by `count_before`.
        engines: of the tables, for the likely cause.

    Raises:
        RowCountError: they differ.
    """
    if expected is None:
        # Free, and not always right: MariaDB and MySQL 5.6 say 0 where the one row was made without reading any.
        expected = int(session.row("SELECT FOUND_ROWS()")[0])
        if arrived != expected:
            expected = _counted(session, whole_count(query), query.dataset)
    if arrived != expected:
        raise RowCountError(
            f"{query.dataset}: {arrived:,} rows arrived, but the server counted {expected:,} in the same transaction. "
            f"Nothing was published. {_cause(session, arrived, expected, engines)}"
        )


def whole_count(query: DatasetQuery) -> str:
    """SQL that counts the rows of a query by running it again.

    Its outputs get plain names: a derived table takes no name twice, nor the long and odd ones that a SELECT takes.
    """
    outputs = tuple((sql, f"c{place}") for place, (sql, _) in enumerate(query.outputs, start=1))
    numbered = replace(query, outputs=outputs, order_terms=()).sql
    return f"SELECT COUNT(*) FROM ({numbered}) AS counted"  # noqa: S608 - expressions that were checked at load


def _counted(session: Session, sql: str, dataset: str) -> int:
    with session.translate_errors(), session.driver_connection.cursor() as cursor:
        cursor.execute(sql)
        ((count,),) = cursor.fetchall()
        warnings = cursor.warning_count
    check_warnings(session, warnings, dataset)
    return int(count)


def _cause(session: Session, arrived: int, expected: int, engines: StorageEngines) -> str:
    if engines.without_snapshots:
        return (
            f"{', '.join(sorted(engines.without_snapshots))} gives no snapshots, so rows came or went in between: run it while "
            "nobody writes, or ALTER TABLE ... ENGINE=InnoDB."
        )
    if not session.snapshot:
        return "There is no snapshot (consistency: none), so rows came or went in between: run it while nobody writes."
    if engines.unknown:
        return (
            f"Rows came or went in between, if a table behind {', '.join(sorted(engines.unknown))} has an engine"
            " without snapshots; or a proxy spreads the statements of a transaction over replicas: connect to the"
            " primary instead."
        )
    if 0 < arrived < expected and arrived % _ROUND == 0:
        return (
            f"A limit of {arrived:,} rows on results does this, of a proxy or a server: lift it, or connect to the"
            " database itself."
        )
    return (
        "A proxy that spreads the statements of a transaction over replicas does this: connect to the primary instead."
    )

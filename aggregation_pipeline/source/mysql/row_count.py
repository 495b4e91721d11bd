"""Compare the rows that arrived with the server's own count in the same snapshot."""

from dataclasses import replace
from typing import Final

from aggregation_pipeline.errors import RowCountError, SourceError, SourceLostError
from aggregation_pipeline.source.mysql.as_of import as_of
from aggregation_pipeline.source.mysql.query import DatasetQuery
from aggregation_pipeline.source.mysql.session import Session
from aggregation_pipeline.source.mysql.storage_engines import StorageEngines
from aggregation_pipeline.source.mysql.warnings import check_warnings

# Limits on rows that people and proxies set are round numbers.
_ROUND: Final = 100


def count_before(session: Session, query: DatasetQuery) -> int | None:
    """Count the rows to come, for progress and for the comparison; None if only running the query could tell.

    Raises:
        SourceError: the server warned about a value in the condition.
    """
    return None if query.count_sql is None else _counted(session, query.count_sql, query.title)


def compare_counts(
    session: Session, query: DatasetQuery, arrived: int, expected: int | None, engines: StorageEngines
) -> None:
    """Raise if fewer or more rows arrived than the server counts. Call it right after the rows came.

    Args:
        session: in whose snapshot the rows were read.
        query: the query that returned them.
        arrived: how many rows came.
        expected: the result of `count_before`.
        engines: of the tables, for the likely cause.

    Raises:
        RowCountError: the numbers differ.
    """
    if expected is None:
        # Costs nothing, but MariaDB and MySQL 5.6 return 0 if the one row was computed without reading any.
        expected = _found_rows(session)
        if arrived != expected:
            expected = _counted(session, count_by_rerun(query), query.title)
    if arrived != expected:
        raise RowCountError(
            f"{query.title}: {arrived:,} rows arrived, but the server counted {expected:,} in the same transaction. "
            f"Nothing was published. {_likely_cause(session, arrived, expected, engines)}"
        )


def _found_rows(session: Session) -> int | None:
    """The server's count of the last statement; None where there is no such function (ClickHouse, StarRocks)."""
    try:
        return int(session.row("SELECT FOUND_ROWS()")[0])
    except SourceLostError:
        raise
    except SourceError:
        return None


def count_by_rerun(query: DatasetQuery) -> str:
    """Return SQL that counts the rows of a query by running it again.

    The outputs get plain names: a derived table allows no repeated, long or odd names, as a SELECT does.
    """
    outputs = tuple((sql, f"c{place}") for place, (sql, _) in enumerate(query.outputs, start=1))
    numbered = replace(query, outputs=outputs, order_terms=(), hints=query.hints.inside()).sql
    return f"{query.hints.around().select} COUNT(*) FROM ({numbered}) AS counted"


def _counted(session: Session, sql: str, dataset: str) -> int:
    with session.translate_errors(), session.driver_connection.cursor() as cursor:
        cursor.execute(as_of(sql, session.capabilities.scn))
        ((count,),) = cursor.fetchall()
        warnings = cursor.warning_count
    check_warnings(session, warnings, dataset)
    return int(count)


def _likely_cause(session: Session, arrived: int, expected: int, engines: StorageEngines) -> str:
    if engines.without_snapshots:
        return (
            f"{', '.join(sorted(engines.without_snapshots))} gives no snapshots, so rows came or went in between: run"
            " it while nobody writes, or ALTER TABLE ... ENGINE=InnoDB."
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

"""Generated entries that load show nothing of a masked column: their results do not depend on masked cells.

Two databases differ in the masked cells only. Each entry that loads is read from both, and its outputs that are neither
masked nor kept are compared. A difference shows an output that depends on a masked cell, by its length, its order or a
comparison.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pymysql
import pytest
from pydantic import ValidationError

from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.query import ORDER_KEY, build_queries
from aggregation_pipeline.source.mysql.variables import SQL_MODE
from aggregation_pipeline_tests.support.generated_sql import CELLS, TABLES, EntryGenerator
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

Twins = tuple[Any, Any]
SLOW = pytest.mark.slow


@pytest.fixture(scope="module", params=["mariadb", pytest.param("seekdb", marks=SLOW)])
def twins(request: pytest.FixtureRequest) -> Iterator[Twins]:
    """Connections to the two databases."""
    server: MySQLServer = request.getfixturevalue(request.param)
    connections = []
    for version in (1, 2):
        connection = server.connect(database=server.fresh_database())
        connections.append(connection)
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION sql_mode = '{SQL_MODE}', {ORDER_KEY} = 'a key'")
            rows = ", ".join(f"({cells[0]}, {cells[version]})" for cells in CELLS)
            for statement in (*TABLES, f"INSERT INTO users VALUES {rows}"):
                cursor.execute(statement)
    yield connections[0], connections[1]
    for connection in connections:
        connection.close()


def load_or_none(*tables: Mapping[str, Any]) -> TableEntry | None:
    """The last of the entries, as one of a file of all of them; None where the file is refused."""
    try:
        return PipelineConfig.model_validate({"tables": tables}).tables[-1]
    except ValidationError:
        return None


def rows_shown(connection: Any, entry: TableEntry) -> list[Any] | None:
    """What the entry gives that has no mask, by dataset and column; None where the server refuses it."""
    rules = {name.casefold(): rule for name, rule in entry.mask.items() if rule != "keep"}
    found: list[Any] = []
    for query in build_queries(entry, primary_key=("id",)):
        try:
            with connection.cursor() as cursor:
                cursor.execute(query.sql)
                rows = cursor.fetchall()
        except pymysql.MySQLError:
            return None
        names = query.columns or [field[0] for field in cursor.description]
        open_places = [place for place, name in enumerate(names) if name.casefold() not in rules]
        cells = [tuple(str(row[place]) for place in open_places) for row in rows]
        # The order of masked keys is that of a hash of theirs.
        found.append((query.dataset, len(rows), sorted(cells)))
    return found


def go(twins: Twins, seed: int, tries: int) -> Counter[str]:
    """Count what becomes of so many entries; fail at the first that shows something."""
    source, counts = EntryGenerator(seed), Counter[str]()
    for number in range(tries):
        masking, keys = source.masking_entry(), source.random_entry(f"e{number}")
        entry = load_or_none(masking, keys)
        if entry is None:
            counts["refused"] += 1
            # Were it taken as it stands, would it show something?
            open_entry = load_or_none(keys | {"mask": {}})
            pair = [rows_shown(twin, open_entry) for twin in twins] if open_entry else [None, None]
            counts["rightly"] += None not in pair and pair[0] != pair[1]
            continue
        first, second = (rows_shown(twin, entry) for twin in twins)
        if first is None or second is None:
            counts["not run"] += 1
            continue
        assert first == second, f"seed {seed}: {keys} beside {masking}"
        counts["equal"] += 1
    return counts


def test_what_loads_does_not_depend_on_masked_cells(twins: Twins):
    counts = go(twins, seed=20261120, tries=150)
    # It is no proof where nothing loads, or where nothing that is refused would have shown anything.
    assert counts["equal"] > 30, counts
    assert counts["rightly"] > 30, counts
    print(counts)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_what_loads_of_many_does_not_depend_on_masked_cells(twins: Twins, seed: int):
    counts = go(twins, seed, tries=400)
    assert counts["equal"] > 80, counts

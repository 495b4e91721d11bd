"""A deployment whose code is loaded, with tables of every kind."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.code_location import Loaded
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

CONFIG = """
tables:
  users: {}
  orders: {partition: {column: created_at, every: day, start: 2026-11-01}}
  payments: {partition: {column: created_at, every: day, start: 2026-11-01}}
  ranges:
    partition: {column: created_at, every: day, start: 2026-11-01}
    backfill: {partitions_per_run: 2}
    schedule: none
  hours:
    partition: {column: created_at, every: hour, start: 2026-11-20}
    backfill: {partitions_per_run: 1}
  later: {partition: {column: created_at, every: day, start: 2036-11-01}}
  broken: {selekt: [id]}
"""


@pytest.fixture(scope="module")
def place(postgres: "PostgresServer", tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Loaded]":
    from aggregation_pipeline_tests.support.code_location import loaded

    with loaded(tmp_path_factory.mktemp("launching"), postgres.fresh_database(), CONFIG) as found:
        yield found

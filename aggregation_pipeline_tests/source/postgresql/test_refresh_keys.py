"""The keys of `refresh`: what a run stores is what the sensor asks for, until the rows change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg2
import pytest

from aggregation_pipeline.assets.partitions import partitions_of, time_range_of
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.kind import kind_of
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline_tests.source.postgresql.conftest import entry_of
from aggregation_pipeline_tests.support.reading import Execute

BERLIN = ZoneInfo("Europe/Berlin")
# The clock is set back at 01:00 UTC of the second: that day has 25 hours.
DAYS = ["2026-10-24", "2026-10-25", "2026-10-26"]
EVERYTHING = ("COUNT(*)", "MAX(at)", "MIN(local)", "SUM(price)", "MAX(d)", "bool_and(ok)", "SUM(price) / 3::float8")


@pytest.fixture(scope="module", autouse=True)
def late(client: "psycopg2.extensions.connection") -> None:
    with client.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE late (id int PRIMARY KEY, at timestamptz, local timestamp, d date, price numeric, ok boolean)"
        )
        for column in ("at", "local", "d"):
            cursor.execute(f"CREATE INDEX ON late ({column})")
        cursor.execute(
            "INSERT INTO late VALUES (1, '2026-10-24 10:00+00', '2026-10-24 12:00', '2026-10-24', 1.5, true),"
            " (2, '2026-10-25 00:30+00', '2026-10-25 02:30', '2026-10-25', 2.5, true),"
            " (3, '2026-10-25 01:30+00', '2026-10-25 02:30', '2026-10-25', 'NaN', NULL)"
        )


@dataclass(frozen=True)
class Late:
    options: SourceOptions
    folder: Path

    def ranges(self, entry: TableEntry) -> list[TimeRange]:
        assert entry.partition is not None
        definition = partitions_of(entry.partition, ZoneInfo("UTC"))
        keys = [key for key in definition.get_partition_keys() if key[:10] in DAYS]
        return [time_range_of(entry.partition, definition, key) for key in keys]

    def seen_by_runs(self, entry: TableEntry, ranges: Sequence[TimeRange]) -> Mapping[str, str]:
        requests = [ReadRequest(entry, each.key, each.end, BERLIN, partition=each) for each in ranges]
        kind = kind_of(self.options)
        return {each.window: kind.read_extract(each, self.options, self.folder).refresh_key for each in requests}

    def asked_for(self, entry: TableEntry) -> Mapping[str, str]:
        sample = ReadRequest(entry, "", datetime(2026, 7, 1, tzinfo=UTC), BERLIN)
        return kind_of(self.options).read_keys(entry, self.ranges(entry), self.options, seconds=20, zone_of=sample)


@pytest.fixture
def table(options: SourceOptions, tmp_path: Path) -> Late:
    return Late(options, tmp_path)


def refreshed(key: object, column: str = "local", every: str = "day", **keys: object) -> TableEntry:
    partition = {"column": column, "every": every, "start": "2026-10-24", "timezone": "Europe/Berlin"}
    refresh = {"look_back": "14d", "key": key, "allow_scan": bool(keys.pop("scanned", False))}
    values = {"name": "late", "select_fields": ["id"], "partition": partition, "refresh": refresh}
    return entry_of(**(values | keys))


@pytest.mark.parametrize(("column", "every"), [("local", "day"), ("at", "day"), ("d", "day"), ("at", "hour")])
def test_the_sensor_is_told_what_runs_have_stored(table: Late, column: str, every: str):
    entry = refreshed(EVERYTHING, column, every)
    told = table.asked_for(entry)
    assert len(told) == (73 if every == "hour" else 3)
    some = [each for each in table.ranges(entry) if every == "day" or each.key[11:13] in ("00", "02", "12")]
    assert table.seen_by_runs(entry, some) == {each.key: told[each.key] for each in some}
    assert len(set(told.values())) == (4 if every == "hour" else 3)


def test_a_change_moves_the_key_of_its_partition_and_no_other(table: Late, execute: Execute):
    entry = refreshed(EVERYTHING)
    for statement, days in (
        ("INSERT INTO late (id, local) VALUES (5, '2026-10-26')", DAYS[2:]),
        ("UPDATE late SET at = '2026-10-24 10:00:00.000001+00' WHERE id = 1", DAYS[:1]),
        ("UPDATE late SET price = 1.50 WHERE id = 1", DAYS[:1]),
        ("UPDATE late SET local = '2026-10-24 12:00' WHERE id = 3", DAYS[:2]),
        ("UPDATE late SET ok = ok", []),
        ("DELETE FROM late WHERE id = 2", DAYS[1:2]),
    ):
        before = table.asked_for(entry)
        execute(statement)
        after = table.asked_for(entry)
        assert [key[:10] for key in before if before[key] != after[key]] == days, statement


def test_a_scan_is_refused_unless_it_is_allowed_and_errors_name_the_key(table: Late, execute: Execute):
    execute("CREATE TABLE bare (id int PRIMARY KEY, local timestamp)")
    with pytest.raises(SourceError, match=r"refresh.key: no index leads to the rows of a partition by local"):
        table.asked_for(refreshed("COUNT(*)", table="bare"))
    assert len(table.asked_for(refreshed("COUNT(*)", table="bare", scanned=True))) == 3
    with pytest.raises(SourceError, match=r"refresh\.key: .*pricee.*Was price meant"):
        table.asked_for(refreshed("MAX(pricee)"))
    gone = Late(replace(table.options, socket=None, host="127.0.0.1", port=1), table.folder)
    with pytest.raises(SourceLostError):
        gone.asked_for(refreshed("COUNT(*)"))


@pytest.mark.parametrize(
    ("key", "where"), [("COUNT(*) FILTER (WHERE d > 'today')", None), ("COUNT(*)", "at < 'tomorrow'")]
)
def test_a_key_that_the_servers_clock_would_move_is_refused(table: Late, key: str, where: str | None):
    entry = refreshed(key, where=where)
    with pytest.raises(SourceError, match="is a moment of the server's clock"):
        table.asked_for(entry)
    with pytest.raises(SourceError, match="is a moment of the server's clock"):
        table.seen_by_runs(entry, table.ranges(entry))

"""What is told of a table without reading its rows."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from aggregation_pipeline.config.masked_columns import MaskedColumn
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.kind import kind_of
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.table_state import StateQuestion, TableState
from aggregation_pipeline_tests.support.reading import ZONE, Execute

UTC_ZONE = ZoneInfo("UTC")


def test_size_and_newest_values_come_from_the_catalogue_and_the_ends_of_indexes(
    execute: Execute, options: SourceOptions
):
    execute(
        [
            'CREATE TABLE stated (id int, at timestamptz, "Local" timestamp, day date, bare date, born date)',
            "CREATE INDEX ON stated (at)",
            'CREATE INDEX ON stated ("Local")',
            "CREATE INDEX ON stated (day)",
            "CREATE INDEX ON stated (born)",
            (
                "INSERT INTO stated SELECT n, '2026-11-20 08:00+08', '2026-11-19 09:00', '2026-11-18', '2026-11-18',"
                " '1990-01-01' FROM generate_series(1, 500) AS n"
            ),
            "INSERT INTO stated (at, day) VALUES ('infinity', 'infinity')",
            "CREATE TABLE by_day (day date, n int) PARTITION BY RANGE (day)",
            "CREATE TABLE by_day_1 PARTITION OF by_day FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
            "CREATE INDEX ON by_day (day)",
            "INSERT INTO by_day SELECT '2026-11-01', n FROM generate_series(1, 50) AS n",
            "ANALYZE stated",
            "ANALYZE by_day_1",
            "CREATE VIEW seen AS SELECT * FROM stated",
        ]
    )
    columns = dict.fromkeys(("at", "Local", "day", "bare", "born", "gone"), ZONE)
    masked = {TableName(None, "stated"): {"born": MaskedColumn("born", "stated")}}
    questions = [
        StateQuestion(TableName(None, "stated"), columns, masked),
        StateQuestion(TableName(None, "nowhere")),
        StateQuestion(TableName("public", "by_day"), {"day": UTC_ZONE}),
        StateQuestion(TableName(None, "seen"), {"day": UTC_ZONE}),
    ]
    stated, nowhere, by_day, seen = kind_of(options).table_states(options, ZONE, questions)
    assert isinstance(stated, TableState)
    assert stated.rows == 501
    assert stated.bytes
    assert stated.newest == {"at": "2026-11-20 08:00:00+08", "Local": "2026-11-19 09:00:00", "day": "2026-11-18"}
    assert stated.newest_at == datetime(2026, 11, 20, tzinfo=UTC)
    assert isinstance(nowhere, SourceError)
    assert "there is no table nowhere" in str(nowhere)
    assert isinstance(by_day, TableState)
    assert (by_day.rows, by_day.newest) == (50, {"day": "2026-11-01"})
    assert seen == TableState()

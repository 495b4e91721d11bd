"""TIMESTAMP columns in a named zone and at an offset: zero dates, masks and hashes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.timezones.wall_clock import to_wall_clock
from aggregation_pipeline_tests.support.instants import (
    BERLIN,
    ROWS,
    SUMMER,
    WINTER,
    instants,
    on_servers_with_names,
)


@pytest.mark.sample
@pytest.mark.parametrize("zero", ["null", "text"])
def test_zero_dates_and_text_are_right_in_a_named_zone_and_at_an_offset(mysql, reading, execute, zero):
    execute(
        [
            "SET time_zone = '+00:00', sql_mode = ''",
            "CREATE TABLE ev (id INT PRIMARY KEY, t TIMESTAMP NULL, t3 TIMESTAMP(3) NULL)",
            "INSERT INTO ev VALUES (1, '2026-07-15 22:30:00', '2026-07-15 22:30:00.125'), (2, NULL, NULL)",
        ]
    )
    if mysql.name != "seekdb":
        execute(["SET sql_mode = ''", "INSERT INTO ev VALUES (3, '0000-00-00 00:00:00', '0000-00-00 00:00:00')"])
    for turned in [False, True] if mysql.name != "seekdb" else [False]:
        extra = [{"expr": "HOUR(t)", "alias": "h"}] if turned else []
        found = reading(zero=zero, select_fields=["id", "t", "t3", *extra])["detail"]
        if zero == "text":
            shown = [
                ("2026-07-16 00:30:00", "2026-07-16 00:30:00.125"),
                (None, None),
                ("0000-00-00 00:00:00", "0000-00-00 00:00:00.000"),
            ]
            assert [(row["t"], row["t3"]) for row in found] == shown[: len(found)]
        else:
            assert instants(found) == [datetime(2026, 7, 15, 22, 30, tzinfo=UTC), None, None][: len(found)]


@on_servers_with_names
def test_a_masked_zero_date_is_not_taken_for_null(extract, execute):
    execute(
        [
            "SET time_zone = '+00:00', sql_mode = ''",
            "CREATE TABLE ev (id INT PRIMARY KEY, t TIMESTAMP NULL, t3 TIMESTAMP(3) NULL)",
            "INSERT INTO ev VALUES (1, '0000-00-00 00:00:00', '0000-00-00 00:00:00'), (2, NULL, NULL)",
        ]
    )
    masks = {"t": "partial", "t3": "hash"}
    kept = pq.read_table(extract(zero="text", select_fields=["*"], mask=masks).datasets[0].path).to_pylist()
    assert (kept[0]["t"], kept[1]["t"], kept[1]["t3"]) == ("0****0", None, None)
    assert len(kept[0]["t3"]) == 64
    nulled = extract(select_fields=["*"], mask=masks).datasets[0]
    assert pq.read_table(nulled.path).to_pylist()[0] == {"id": 1, "t": None, "t3": None}
    assert nulled.zero_dates == {"t": 1, "t3": 1}


@on_servers_with_names
def test_equal_instants_have_equal_hashes_in_every_session(extract, events):
    hashes = []
    for moment, fields in ((WINTER, []), (SUMMER, []), (WINTER, [{"expr": "HOUR(t)", "alias": "h"}])):
        found = extract(
            BERLIN, moment, select_fields=["id", "t", *fields], mask={"t": "hash", **({"h": "keep"} if fields else {})}
        )
        hashes.append(pq.read_table(found.datasets[0].path)["t"].to_pylist())
    assert hashes[0] == hashes[1] == hashes[2]
    assert len(set(hashes[0])) == len(ROWS)


def test_the_clock_of_a_zone_is_what_zoneinfo_says(tmp_path: Path):
    import pyarrow as pa

    for name in ("Africa/Monrovia", "Africa/Casablanca", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York"):
        zone = ZoneInfo(name)
        moments = [datetime(1970, 1, 2, tzinfo=UTC) + timedelta(days=19.7 * step) for step in range(2000)]
        shown, offsets = to_wall_clock(pa.array([*moments, None], pa.timestamp("us", tz=name)))
        assert shown.to_pylist() == [*(at.astimezone(zone).replace(tzinfo=None) for at in moments), None]
        assert [int(one) for one in offsets[:-1]] == [at.astimezone(zone).utcoffset().total_seconds() for at in moments]  # type: ignore[union-attr]

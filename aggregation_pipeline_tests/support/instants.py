"""Instants that tests read in several clocks, two of them in the hour that comes twice."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from aggregation_pipeline_tests.support.servers.chosen import on

WINTER, SUMMER = datetime(2026, 11, 20, 18, tzinfo=UTC), datetime(2026, 7, 1, 18, tzinfo=UTC)


BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")


# Both have the text 2026-10-25 02:30:00 in Berlin.
TWICE = [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]


ROWS = [
    datetime(2026, 1, 15, 12, tzinfo=UTC),
    datetime(2026, 7, 15, 12, tzinfo=UTC),
    datetime(2026, 7, 15, 22, 30, tzinfo=UTC),
    *TWICE,
]


# seekdb knows no zone by its name.
on_servers_with_names = on("mariadb", "mysql56")


Reading = Callable[..., dict[str, list[dict[str, object]]]]


def instants(rows: list[dict[str, object]], name: str = "t") -> list[object]:
    return [None if (at := row[name]) is None else at.astimezone(UTC) for row in rows]  # type: ignore[attr-defined]

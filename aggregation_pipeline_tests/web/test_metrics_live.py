"""`/metrics`, scraped by a real Prometheus, and while PostgreSQL is frozen."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, Postgres, start_postgres
from aggregation_pipeline.metrics.exposition import OPENMETRICS
from aggregation_pipeline_tests.metrics.observed import Observed, observed
from aggregation_pipeline_tests.metrics.parsed import families, value
from aggregation_pipeline_tests.metrics.test_exposition import TABLE, of_figures
from aggregation_pipeline_tests.support.freezing import frozen
from aggregation_pipeline_tests.support.servers.prometheus import JOB, Prometheus, prometheus_scraping, promtool
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.dashboard import FOLDER, RULES, alert_expressions, panel_expressions
from aggregation_pipeline_tests.web.served import ask, free_port, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
# What one answer may take: two seconds, and some for a busy machine.
ANSWER_SECONDS = 4.0
ODD_NAMES = ["订单", 'a"b', "a\\b", "a\nb", "a\\n", "a\rb", "\ud800", "\0", "{}", "# x", " ", "😀", "a\u2028b", "\x85"]


@dataclass(frozen=True)
class Live:
    """The webserver on a PostgreSQL of its own."""

    port: int
    postgres: Postgres
    deployment: Observed

    def scrape(self, *headers: str) -> str:
        """Return the text, which has to come in time."""
        began = time.monotonic()
        answer = ask(self.port, "GET /metrics", *headers)
        assert time.monotonic() - began < ANSWER_SECONDS
        assert answer.status == 200
        return answer.body

    def success(self) -> dict[str, float | None]:
        text = self.scrape()
        return {
            source: value(text, "aggregation_collection_success", source=source) for source in ("dagster", "batch_jobs")
        }


@pytest.fixture(scope="module")
def live(server_folder: Path) -> Iterator[Live]:
    postgres = start_postgres(server_folder / "metrics-pg", report=print, options=THROWAWAY_OPTIONS)
    try:
        with (
            observed(postgres.url(), server_folder / "live metrics") as deployment,
            serving(deployment.instance, deployment.workspace_with_mirror, settings=deployment.settings) as port,
        ):
            yield Live(port, postgres, deployment)
    finally:
        postgres.stop()


@pytest.fixture(scope="module")
def prometheus(live: Live, server_folder: Path) -> Iterator[Prometheus]:
    with prometheus_scraping(live.port, free_port(), server_folder / "prometheus") as server:
        yield server


def test_promtool_finds_nothing_to_complain_of(live: Live):
    text = live.scrape()
    assert value(text, "aggregation_mirror_lag_seconds") == 7.5
    assert promtool("check", "metrics", text=text) == ""
    assert promtool("check", "rules", str(RULES)) == ""
    assert promtool("check", "config", "--syntax-only", str(FOLDER / "prometheus.yml")) == ""
    assert "histogram" in promtool("check", "metrics", text="# HELP a_count A.\n# TYPE a_count gauge\na_count 1\n")


def test_promtool_reads_any_name_of_a_table():
    assert promtool("check", "metrics", text=of_figures(dict.fromkeys(ODD_NAMES, TABLE), ODD_NAMES)) == ""


def test_every_query_of_the_dashboard_and_of_the_alerts_has_a_result(live: Live, prometheus: Prometheus):
    until("the mirror's metrics", lambda: prometheus.query("aggregation_mirror_lag_seconds"), 60, said=live.scrape)
    for title, expression, _ in panel_expressions():
        found = prometheus.query(expression.replace("$job", JOB))
        assert found, (title, expression)
        assert all(each["value"][1] != "NaN" for each in found), (title, found)
    firing = {name for name, expression, _ in alert_expressions() if prometheus.query(expression)}
    # The mirror's cursor says that a row was refused, the cursor of refresh that windows have waited for days.
    assert firing == {
        "AggregationTableFailing",
        "AggregationTableLate",
        "AggregationDegraded",
        "AggregationRefreshWaits",
    }
    (rows,) = prometheus.query('aggregation_last_day_rows{table="用户"}')
    assert rows["value"][1] == "12"
    (failing,) = prometheus.query("max by (table) (aggregation_table_failing) == 1")
    assert failing["metric"] == {"table": "broken"}


def test_many_who_scrape_cost_one_collection_in_ten_seconds(live: Live):
    until("both sources", lambda: set(live.success().values()) == {1}, 60)
    found: set[float | None] = set()
    began = time.monotonic()
    for _ in range(3):
        threads = [threading.Thread(target=lambda: found.add(collected_at(live.scrape()))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) <= 2 + (time.monotonic() - began) / 10


def collected_at(text: str) -> float | None:
    return value(text, "aggregation_collection_timestamp_seconds", source="batch_jobs")


def health(text: str, check: str) -> float | None:
    required = "true" if check == "postgres" else "false"
    return value(text, "aggregation_health_check_success", check=check, required=required)


def test_while_postgresql_is_frozen_it_says_so_and_shows_nothing_old(live: Live):
    until("both sources", lambda: set(live.success().values()) == {1}, 60)
    before = collected_at(live.scrape())
    process = psutil.Process()
    threads, files = process.num_threads(), process.num_fds()
    with frozen(live.postgres.child.pid):
        until("the frozen PostgreSQL", lambda: set(live.success().values()) == {0}, 60)
        until("its health check", lambda: health(live.scrape(), "postgres") == 0, 60)
        for _ in range(25):
            text = live.scrape()
            assert "aggregation_last_day" not in text
            assert "aggregation_table_" not in text
            assert (health(text, "postgres"), health(text, "files")) == (0, 1)
            assert "aggregation_build_info{" in text
            moment = collected_at(text)
            assert moment is not None
            assert before is not None
            assert before <= moment < time.time()
            assert families(live.scrape(f"Accept: {OPENMETRICS}"))
            time.sleep(0.5)
        # A thread for each source and each probe, and one that cuts its connection.
        assert process.num_threads() <= threads + 30
        assert process.num_fds() <= files + 20
    until("both sources again", lambda: set(live.success().values()) == {1}, 120)
    assert value(live.scrape(), "aggregation_last_day_rows", table="orders") == 60


def test_a_postgresql_that_is_stopped_is_told_of_and_comes_back(live: Live, server_folder: Path):
    live.postgres.stop()
    until("the stopped PostgreSQL", lambda: set(live.success().values()) == {0}, 60)
    assert "aggregation_last_day" not in live.scrape()
    again = start_postgres(server_folder / "metrics-pg", report=print, options=THROWAWAY_OPTIONS)
    try:
        until("both sources again", lambda: set(live.success().values()) == {1}, 120)
    finally:
        again.stop()

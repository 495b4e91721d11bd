"""What people do in Dagster's UI, done by a browser on a real `dagster dev`.

Each step saves a picture in .data/screenshots.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dagster import DagsterRunStatus
from playwright.sync_api import Error, Page, Response, expect, sync_playwright

from aggregation_pipeline_tests.support.dev import Dev, deployed_dev, make_orders
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.missing import missing
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PICTURES = REPOSITORY / ".data" / "screenshots"
# Chromium's sandbox does not work for root; the rest keeps it from asking its vendor's servers for anything.
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)
# Every banner of Dagster's about an error has one of these words ("Copy error"), and a page without errors has none.
FAULT = re.compile(r"\b(\w*error|exception|traceback|unexpected)\b|went wrong|failed to load", re.IGNORECASE)
TODAY = datetime.now(UTC).date()
DAYS = [str(TODAY - timedelta(days=back)) for back in range(4, 0, -1)]
ALWAYS = ["formats_reconciled", "not_truncated", "schema_unchanged", "snapshot_held"]
# Schedules that do not tick while the test runs: only people start runs here.
CONFIG = """
    tables:
      statuses:
        table: orders
        group_by: [status]
        aggregations: [{{function: COUNT, alias: orders}}, {{function: MAX, field: created_at, alias: last_order}}]
        select_fields: [id, status]
        schedule: none
        checks: {{min_rows: 1, not_null: [status]}}
      orders:
        description: The orders of each day.
        select_fields: [id, status, created_at]
        partition: {{column: created_at, every: day, start: {first}}}
        schedule: 0 0 1 1 *
        catch_up: none
        checks: {{unique: [id]}}
        owners: [team:sales]
        tags: {{domain: shop}}
        freshness: {{fail_after: 26h}}
"""


@dataclass
class Ui:
    """The UI in one window. `faults` are errors that a page may not show: broken scripts, and what GraphQL refused."""

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("response", self._listen)

    def _listen(self, reply: Response) -> None:
        if reply.status >= 400:
            self.faults.append(f"{reply.status} {reply.url}")
        elif reply.url.startswith(f"{self.base}/graphql"):
            with suppress(Error):  # the page was left before it came
                text = reply.text()
                if '"PythonError"' in text:
                    self.faults.append(text)

    def open(self, path: str) -> None:
        self.page.goto(f"{self.base}{path}")

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name).first.click()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def turn_to(self, tab: str) -> None:
        self.page.get_by_role("tab", name=tab, exact=True).click()

    def shows(self, picture: str, *words: str) -> None:
        """Assert that the page has all these words, the last of them in the picture, and no fault."""
        for word in words:
            expect(self.page.get_by_text(word).filter(visible=True).first).to_be_visible()
        expect(self.page.get_by_role("progressbar", name="loading")).to_have_count(0)
        self.page.get_by_text(words[-1]).filter(visible=True).first.scroll_into_view_if_needed()
        self.take(picture)
        expect(self.page.locator("body")).not_to_contain_text(FAULT)
        assert self.faults == []

    def follow_launched(self) -> None:
        """Follow the note in the corner to the run or backfill that was launched."""
        self.page.get_by_role("region", name="Notifications").get_by_text("View", exact=True).click()
        self.page.wait_for_url("**/runs/**")

    def take(self, picture: str) -> None:
        """Save a picture for people. A test does not fail because one could not be taken."""
        with suppress(Error, OSError):
            self.page.screenshot(path=PICTURES / f"{picture}.png")


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    return found or missing("Chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def dev(chromium: str, mariadb: "MySQLServer", postgres: "PostgresServer", server_folder: Path) -> Iterator[Dev]:
    rows = [
        f"({10 * number + n}, '{state}', '{day} 1{n}:00:00')"
        for number, day in enumerate(DAYS)
        for n, state in enumerate(["new", "paid"])
    ]
    source = make_orders(mariadb, rows)
    with mariadb.connect(database=source["DB_NAME"]) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders MODIFY status TEXT COMMENT 'new, paid or sent'")
    with deployed_dev(server_folder / "ui", CONFIG.format(first=DAYS[0]), source, postgres.fresh_database()) as found:
        found.start()
        yield found


@pytest.fixture
def ui(chromium: str, dev: Dev, request: pytest.FixtureRequest) -> Iterator[Ui]:
    """Start a browser for each test: while Playwright runs, its event loop belongs to the whole thread."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS.split()) as browser,
    ):
        page = browser.new_page(viewport={"width": 1600, "height": 1000}, locale="en-US", timezone_id="UTC")
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        found = Ui(page, f"http://127.0.0.1:{dev.port}")
        yield found
        # Of a test that failed, what it saw last.
        found.take(f"last of {request.node.name}")


def test_a_table_and_its_formats_are_materialized_from_the_lineage_on_its_page(ui: Ui, dev: Dev):
    ui.open("/assets/aggregation/statuses")
    ui.shows(
        "01 table", "Open statuses in aggregation.yaml", "Aggregates by status and rows of orders", "Never materialized"
    )
    ui.turn_to("Lineage")
    ui.shows("02 table, lineage", "sources", "statuses", "statuses_csv", "statuses_json", "statuses_manifest")
    ui.press("materialization Materialize all (4)")
    ui.follow_launched()
    ui.shows("03 run", "Success", "aggregate_statuses", "RUN_SUCCESS")
    (window,) = dev.windows("statuses")
    files = {path.name for path in (dev.folder / "exports" / "statuses" / window).iterdir() if path.is_file()}
    assert files == {"manifest.json", "statuses.json", "statuses.summary.csv", "statuses.detail.csv"}


def test_the_newest_day_and_then_what_is_missing_is_launched_from_the_dialog(ui: Ui, dev: Dev):
    dialog = ui.page.get_by_role("dialog")
    selection = '/asset-groups~key%3A"aggregation%2Forders"%2B'
    ui.open(selection)
    ui.press("materialization Materialize all…")
    dialog.get_by_role("button", name="Latest").click()
    ui.shows("04 dialog, latest", "1 partition")
    dialog.get_by_role("button", name="Launch 1 run").click()
    ui.follow_launched()
    ui.shows("05 run of one day", "Success", DAYS[-1], "RUN_SUCCESS")
    assert dev.windows("orders") == DAYS[-1:]

    ui.open(selection)
    ui.press("materialization Materialize all…")
    dialog.get_by_role("button", name="Missing", exact=True).click()
    expect(dialog.get_by_role("textbox")).to_have_value(f"[{DAYS[0]}...{DAYS[-2]}]")
    ui.shows("06 dialog, missing", f"{len(DAYS) - 1} partitions")
    dialog.get_by_role("button", name="Launch backfill").click()
    ui.follow_launched()
    ui.shows("07 backfill, launched", "Partition selection", "Status")


def test_the_pages_of_a_table_show_its_columns_numbers_and_checks(ui: Ui, dev: Dev):
    ui.open("/assets/aggregation/statuses")
    columns = ["summary.status", "summary.orders", "summary.last_order", "detail.id", "detail.status"]
    ui.shows("08 table, columns", *columns, "BIGINT", "DATETIME", "new, paid or sent", "Row count")
    ui.shows("09 table, metadata", "summary rows", "detail SQL", "aggregation/platform")
    ui.press("asset_plot Plots")
    ui.shows("10 table, plots", "dagster/row_count", "summary rows", "detail rows")
    ui.turn_to("Events")
    ui.shows("11 table, events", "summary preview", "Materialized in run")
    ui.turn_to("Checks")
    ui.shows("12 table, checks", *ALWAYS, "min_rows", "not_null", "Succeeded", "Passed", "Checks (6)")
    ui.open("/assets/export/statuses_csv")
    ui.shows("13 format", "statuses/<window>/statuses.summary.csv", "when somebody starts it", "statuses.detail.csv")
    ui.open("/assets/export/statuses_manifest")
    ui.shows("14 manifest", "crc64", "aggregation/items")
    ui.open(f"/assets/mysql/{dev.environment['DB_NAME']}/orders")
    ui.shows("14 source", "Latest observation", "Read by statuses, orders.", "last write", "size")


def test_the_other_pages_show_what_is_there(ui: Ui):
    ui.open("/asset-groups")
    expect(ui.page.get_by_role("img", name="unfold_more")).to_have_count(3)
    ui.page.keyboard.press("Alt+e")  # Expand all groups, in the graph's menu
    ui.shows("15 lineage", "statuses", "orders", "statuses_csv", "statuses_json", "statuses_manifest")
    ui.follow("Catalog")
    ui.shows("16 catalog", "mysql / ", "export / orders_csv", "aggregation / statuses")
    ui.follow("Jobs")
    ui.shows("17 jobs", "aggregate_by_hand", "aggregate_daily_partitions_", "retention")
    ui.follow("Automation")
    ui.shows(
        "18 automation",
        "aggregate_daily_partitions_",
        "internal_batch_jobs_success",
        "Standard sensor",
        "Scheduled At 05:30 AM",
    )
    ui.follow("internal_batch_jobs_reconcile")
    ui.shows("19 sensor", "View logs", "corrects every row of batch_jobs")
    ui.follow("Automation")
    ui.follow("retention_schedule")
    ui.shows("20 schedule", "05:30 AM", "Next tick")


def test_the_backfill_ends_and_its_days_are_published(ui: Ui, dev: Dev):
    ui.open("/runs")
    ui.follow("run_with_subruns")
    # The status, beside the heading of a column. The daemon looks after backfills every half minute.
    expect(ui.page.get_by_text("Succeeded", exact=True)).to_have_count(2, timeout=90_000)
    ui.shows("21 backfill", "100% completed", "export / orders_manifest", f"{DAYS[0]}...{DAYS[-2]}")
    assert dev.windows("orders") == DAYS
    ui.open("/assets/aggregation/orders?view=partitions")
    ui.shows("22 partitions", "Missing (0)", "Failed (0)", f"Materialized ({len(DAYS)})")
    ui.open("/assets/aggregation/orders")
    ui.shows(
        "23 partitioned table",
        "sales",
        "domain: shop",
        "if more than 26 hours since last materialization",
        "The orders of each day.",
    )
    ui.turn_to("Checks")
    ui.shows("24 partitioned table, checks", *ALWAYS, "unique", "Succeeded", "Checks (5)")
    ui.follow("Runs")
    ui.shows("25 runs", "Backfill", "Manually launched", "Success")


def test_every_run_that_was_launched_by_a_click_is_in_batch_jobs(dev: Dev):
    runs = dev.instance.get_runs()
    assert [run.status for run in runs] == [DagsterRunStatus.SUCCESS] * 3
    rows = [until("its row in batch_jobs", partial(dev.row, run.run_id, "completed")) for run in runs]
    # The newest first: three days of two rows, one day, and all rows with a line for each of two statuses.
    assert [row.total_items for row in rows] == [6, 2, 8 + 2]


def test_checks_that_are_executed_alone_are_evaluated_and_nothing_is_published(ui: Ui, dev: Dev):
    before = {
        path: path.stat().st_mtime_ns for path in (dev.folder / "exports" / "orders").rglob("*") if path.is_file()
    }
    ui.open("/assets/aggregation/orders?view=checks")
    ui.page.get_by_role("button", name="Execute all").click()
    ui.follow_launched()
    ui.shows("26 run of checks", "Success", "checking what is published", "RUN_SUCCESS")
    ui.open("/assets/aggregation/orders?view=checks")
    ui.shows("27 checks, executed", *ALWAYS, "unique", "Succeeded", "Passed")
    assert {path: path.stat().st_mtime_ns for path in before} == before

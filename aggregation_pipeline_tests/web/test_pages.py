"""A page of another site, in a real Chromium, attacks Dagster's UI: it launches, cancels, deletes and sees nothing."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dagster import AssetKey, DagsterInstance, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test
from playwright.sync_api import Page, expect, sync_playwright

from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import ORIGIN, open_instance
from aggregation_pipeline_tests.support.servers.missing import missing
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.served import free_port

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HERE = Path(__file__).parent
# With a name that leads to our own address, as an attacker's DNS server would answer.
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP rebound.example 127.0.0.1"),
]
SELECTOR = '{repositoryLocationName: "victim", repositoryName: "__repository__", jobName: "quick"}'
WORKSPACE = f"load_from: [{{python_file: {{relative_path: {HERE / 'victim.py'}, location_name: victim}}}}]\n"


@dataclass
class Target:
    base: str
    instance: DagsterInstance

    def __post_init__(self) -> None:
        origin = ORIGIN.get_job_origin("aggregate")
        statuses = (DagsterRunStatus.QUEUED, DagsterRunStatus.SUCCESS)
        self.queued, self.ended = (
            create_run_for_test(self.instance, status=each, remote_job_origin=origin).run_id for each in statuses
        )

    @property
    def mutation(self) -> str:
        return f"""mutation {{
          a: launchRun(executionParams: {{selector: {SELECTOR}}}) {{ __typename }}
          b: terminateRun(runId: "{self.queued}", terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) {{ __typename }}
          c: deletePipelineRun(runId: "{self.ended}") {{ __typename }} }}"""

    @property
    def harm(self) -> set[str]:
        runs = {run.run_id: run.status for run in self.instance.get_runs()}
        found = {
            "launched": bool(runs.keys() - {self.queued, self.ended}),
            "cancelled": runs.get(self.queued) != DagsterRunStatus.QUEUED,
            "deleted": self.ended not in runs,
            "reported": self.instance.get_latest_materialization_event(AssetKey("victim")) is not None,
        }
        return {name for name, happened in found.items() if happened}


@contextmanager
def serving(module: str, url: str, folder: Path) -> Iterator[Target]:
    """Run `python -m module` on a deployment of its own, and wait until it has loaded the code."""
    port = free_port()
    (folder / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "workspace.yaml").write_text(WORKSPACE, encoding="utf-8")
    own = {"DAGSTER_PG_URL": url, "DAGSTER_HOME": str(folder), "PYTHONPATH": str(REPOSITORY)}
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "-p", str(port), "-w", "workspace.yaml"],
            env={**environment_without_settings(), **own}, cwd=folder, stdout=log, stderr=log,
        )  # fmt: skip
    base = f"http://127.0.0.1:{port}"

    def loaded() -> bool:
        query = json.dumps(
            {"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"}
        ).encode()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(f"{base}/graphql", query, {"Content-Type": "application/json"})
            ) as answer:
                return bool(json.load(answer)["data"]["repositoriesOrError"].get("nodes"))
        except OSError:
            return False

    try:
        until("the code", loaded, 120, said=(folder / "web.log").read_text)
        with open_instance(url) as instance:
            yield Target(base, instance)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@contextmanager
def elsewhere(host: str, target: Target) -> Iterator[str]:
    """Serve the page that attacks, as another site does; yields its address."""
    page = (HERE / "attack.html").read_text(encoding="utf-8").replace("TARGET", target.base, 1)
    # The comment at the top names them too.
    page = page.replace('"TARGET"', json.dumps(target.base)).replace("= MUTATION", f"= {json.dumps(target.mutation)}")

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{host}:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page() -> Iterator[Page]:
    chromium = (
        shutil.which("chromium")
        or shutil.which("google-chrome")
        or missing("Chromium is not installed: apt-get install chromium")
    )
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS) as browser,
    ):
        page = browser.new_page(locale="en-US")
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page


def attack(page: Page, host: str, target: Target) -> Any:
    """Let the page do all that it can, follow its link, and ask for the UI under a name of its own.

    Returns what the page saw and opened.
    """
    with elsewhere(host, target) as address:
        page.goto(address)
        page.wait_for_function("window.done === true")
        result = page.evaluate("window.result")
        (ui,) = [frame for frame in page.frames if frame.name == "ui"]
        result["framed"] = "dagster" in ui.content().lower()
        page.click("#link")
        page.wait_for_url("**/graphql**")
    rebound = page.goto(target.base.replace("127.0.0.1", "rebound.example"))
    assert rebound is not None
    result["rebound"] = rebound.status
    return result


@pytest.fixture(scope="module")
def gated(postgres: "PostgresServer", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with serving("aggregation_pipeline.web", postgres.fresh_database(), tmp_path_factory.mktemp("gated")) as target:
        yield target


# For a browser another port of the same address is the same site; another address is another site.
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_a_page_of_another_site_does_nothing_and_sees_nothing(gated: Target, page: Page, host: str):
    result = attack(page, host, gated)
    assert result == {"opened": [], "read": [], "framed": False, "rebound": 403}
    assert gated.harm == set()


def test_the_same_page_does_all_of_it_to_dagsters_own_webserver(postgres: "PostgresServer", page: Page, tmp_path: Path):
    """Without the gate the attack succeeds: so the other test would notice it."""
    with serving("dagster_webserver", postgres.fresh_database(), tmp_path) as target:
        result = attack(page, "127.0.0.2", target)
        assert target.harm == {"launched", "cancelled", "deleted", "reported"}
        assert result == {"opened": ["websocket"], "read": [], "framed": True, "rebound": 200}


def watched(page: Page) -> tuple[list[str], list[str]]:
    """Return two lists that grow: what comes over websockets, and answers that are errors."""
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    faults: list[str] = []
    page.on("response", lambda reply: faults.append(f"{reply.status} {reply.url}") if reply.status >= 400 else None)
    return frames, faults


def launch_and_see_the_log_arrive(page: Page, frames: list[str]) -> None:
    """Launch a run by click on the page of a job, and wait for an event of its log."""
    page.get_by_role("tab", name="Launchpad").click()
    page.get_by_role("button", name="Launch Run").click()
    page.wait_for_url("**/runs/**")
    # It stays in the queue, because no daemon runs here.
    expect(page.get_by_text("This run is queued for execution")).to_be_visible()
    for _ in range(100):
        if any('"data"' in frame for frame in frames):
            break
        page.wait_for_timeout(200)
    else:
        pytest.fail(f"no event came over the websocket: {frames}")


def test_people_launch_in_the_ui_and_see_its_log_arrive(gated: Target, page: Page):
    frames, faults = watched(page)
    before = {run.run_id for run in gated.instance.get_runs()}
    page.goto(f"{gated.base}/locations/victim/jobs/quick")
    launch_and_see_the_log_arrive(page, frames)
    assert len({run.run_id for run in gated.instance.get_runs()} - before) == 1
    assert faults == []

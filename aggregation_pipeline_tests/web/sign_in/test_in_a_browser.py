"""People with accounts, in a real Chromium, before the whole web process: they sign in, launch, and are sent away."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_core_python.sync_playwright import Axe
from dagster import DagsterRun
from playwright.sync_api import Page, ViewportSize, expect

from aggregation_pipeline.access.editing import add_user
from aggregation_pipeline.access.roles import Role
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.support.deployment import environment_without_settings
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.served import free_port
from aggregation_pipeline_tests.web.sign_in.people import JSON, PASSWORD, People, people_of
from aggregation_pipeline_tests.web.test_pages import (
    WORKSPACE,
    Target,
    attack,
    launch_and_see_the_log_arrive,
    page,
    watched,
)

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
__all__ = ["page"]
SIZES: dict[str, ViewportSize] = {"phone": {"width": 360, "height": 640}, "desktop": {"width": 1280, "height": 800}}
JOB = "/locations/victim/jobs/quick"


@dataclass
class Service:
    base: str
    people: People
    target: Target


@contextmanager
def serving(url: str, folder: Path) -> Iterator[Service]:
    """Run `python -m aggregation_pipeline.web` on a deployment with accounts, and wait until it has loaded the code."""
    port = free_port()
    for name, text in (("workspace.yaml", WORKSPACE), ("dagster.yaml", (REPOSITORY / "dagster.yaml").read_text())):
        (folder / name).write_text(text, encoding="utf-8")
    own = {"DAGSTER_PG_URL": url, "DAGSTER_HOME": str(folder), "PYTHONPATH": str(REPOSITORY)}
    base = f"http://127.0.0.1:{port}"
    settings = Settings(dagster_pg_url=url, auth_file=folder / "auth.json")
    with open_instance(url) as instance, people_of(port, instance, settings) as people:
        with (folder / "web.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "aggregation_pipeline.web", "-p", str(port), "-w", "workspace.yaml"],
                env={**environment_without_settings(), **own}, cwd=folder, stdout=log, stderr=log,
            )  # fmt: skip

        def loaded() -> bool:
            query = '{"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"}'
            try:
                return "__repository__" in people.ask("vera/read", "POST /graphql", JSON, body=query).body
            except OSError:
                return False

        try:
            until("the code", loaded, 120, said=(folder / "web.log").read_text)
            yield Service(base, people, Target(base, instance))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


@pytest.fixture(scope="module")
def service(postgres: "PostgresServer", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(postgres.fresh_database(), tmp_path_factory.mktemp("browser")) as found:
        yield found


def sign_in(page: Page, service: Service, name: str, path: str = "/") -> None:
    page.goto(f"{service.base}{path}")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{service.base}{path}**")


def test_an_operator_signs_in_launches_and_sees_the_log_arrive(service: Service, page: Page):
    frames, faults = watched(page)
    before = {run.run_id for run in service.target.instance.get_runs()}
    sign_in(page, service, "otto", JOB)
    launch_and_see_the_log_arrive(page, frames)
    (run,) = [run for run in service.target.instance.get_runs() if run.run_id not in before]
    assert run.tags["aggregation/requested_by"] == "otto"
    (noted,) = [entry for entry in service.people.audit() if entry.details.get("made") == run.run_id]
    assert (noted.who, noted.result, noted.what.startswith("graphql.launch")) == ("otto", "ok", True)
    assert faults == []


def test_a_run_names_whoever_launched_it_whichever_way(service: Service):
    """Also where the request claims that it was somebody else."""
    selector = {"repositoryLocationName": "victim", "repositoryName": "__repository__", "jobName": "quick"}
    claimed = [{"key": "aggregation/requested_by", "value": "somebody else"}, {"key": "kept", "value": "yes"}]
    first = {"selector": selector, "executionMetadata": {"tags": claimed}}
    shown = "{ ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }"
    launch = f"mutation($p: ExecutionParams!) {{ launched: launchRun(executionParams: $p) {shown} }}"
    several = f"""mutation($p: [ExecutionParams!]!) {{ launched: launchMultipleRuns(executionParamsList: $p) {{
        ... on LaunchMultipleRunsResult {{ launchMultipleRunsResult {shown} }} }} }}"""
    again = f"mutation($p: ReexecutionParams!) {{ launched: launchRunReexecution(reexecutionParams: $p) {shown} }}"
    edited = f"mutation($p: ExecutionParams!) {{ launched: launchRunReexecution(executionParams: $p) {shown} }}"

    def send(who: str, query: str, params: object) -> DagsterRun:
        body = json.dumps({"query": query, "variables": {"p": params}})
        launched = json.loads(service.people.ask(who, "POST /graphql", JSON, body=body).body)["data"]["launched"]
        (one,) = launched.get("launchMultipleRunsResult", [launched])
        run = service.target.instance.get_run_by_id(one["run"]["runId"])
        assert run is not None
        return run

    parent = send("otto", launch, first)
    service.target.instance.report_run_canceled(parent)
    parents = {"parentRunId": parent.run_id, "rootRunId": parent.run_id}
    runs = {
        "otto": [parent, send("otto", several, [{"selector": selector}])],
        "ada": [
            send("ada", again, {"parentRunId": parent.run_id, "strategy": "ALL_STEPS", "extraTags": claimed}),
            send("ada", again, {"parentRunId": parent.run_id, "strategy": "ALL_STEPS"}),
            send("ada", edited, {"selector": selector, "executionMetadata": {**parents, "tags": claimed}}),
        ],
    }
    for who, launched in runs.items():
        assert {run.tags["aggregation/requested_by"] for run in launched} == {who}
    assert parent.tags["kept"] == "yes"
    made = {entry.details.get("made"): entry.who for entry in service.people.audit()}
    assert all(made[run.run_id] == who for who, launched in runs.items() for run in launched)
    for run in service.target.instance.get_runs():
        if run.job_name == "quick":
            service.target.instance.delete_run(run.run_id)


def test_the_buttons_of_a_viewer_are_grey(service: Service, page: Page):
    sign_in(page, service, "vera", JOB)
    expect(page.get_by_role("tab", name="Launchpad")).to_be_disabled()
    page.goto(f"{service.base}/assets/victim")
    button = page.get_by_role("button", name="Materialize")
    expect(button).to_be_disabled()
    button.hover(force=True)
    expect(page.get_by_role("tooltip")).to_contain_text("You do not have permission to materialize assets")


def test_a_page_of_another_site_does_nothing_with_the_session_of_an_admin(service: Service, page: Page):
    sign_in(page, service, "ada")
    known = {run.run_id for run in service.target.instance.get_runs()}
    for host in ("127.0.0.1", "127.0.0.2"):
        result = attack(page, host, service.target)
        assert result == {"opened": [], "read": [], "framed": False, "rebound": 403}
    assert service.target.harm <= {"launched"}
    assert {run.run_id for run in service.target.instance.get_runs()} == known


def test_whoever_signs_out_or_is_signed_out_elsewhere_is_out(service: Service, page: Page):
    sign_in(page, service, "otto")
    page.goto(f"{service.base}/account")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.goto(f"{service.base}/runs")
    assert "/sign-in?next=%2Fruns" in page.url
    sign_in(page, service, "vera", "/runs")
    service.people.end_sessions("vera")
    page.wait_for_timeout(2500)
    page.goto(f"{service.base}/runs")
    assert "/sign-in" in page.url


def test_the_account_can_be_reached_from_dagsters_pages(service: Service, page: Page, tmp_path: Path):
    sign_in(page, service, "otto", "/runs")
    link = page.get_by_role("link", name="otto")
    expect(link).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=tmp_path / "dagster.png")
    link.click()
    page.wait_for_url("**/account")
    expect(page.get_by_text("operator: reads, launches, cancels, toggles")).to_be_visible()


def test_a_viewer_gets_from_dagsters_pages_to_batches_and_back(service: Service, page: Page, tmp_path: Path):
    """Nothing has run here, and the code is that of another project."""
    sign_in(page, service, "vera", "/runs")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=tmp_path / "corner.png")
    page.get_by_role("link", name="Batches").click()
    page.wait_for_url("**/batches")
    expect(page.get_by_role("heading", name="Batches", exact=True)).to_be_visible()
    expect(page.get_by_text("There has been no batch today.")).to_be_visible()
    page.screenshot(path=tmp_path / "batches.png", full_page=True)
    page.get_by_role("link", name="vera").click()
    page.wait_for_url("**/account")
    page.get_by_role("link", name="To the runs and tables").click()
    page.wait_for_url(lambda url: "/account" not in url)
    page.goto(f"{service.base}/batches")
    page.get_by_role("link", name="All runs in Dagster").click()
    page.wait_for_url("**/runs**")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_our_pages_can_be_used_by_everybody(
    service: Service, page: Page, tmp_path: Path, size: str, scheme: str, language: str
):
    """In both languages, light and dark, on phones and wide screens: axe-core finds nothing, nothing is cut off."""
    name = f"new-{language}-{size}-{scheme}"
    add_user(service.people.settings.auth_path, name, Role.VIEWER, PASSWORD, must_change=True)
    page.set_viewport_size(SIZES[size])
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)

    def look(step: str) -> None:
        found = Axe().run(page)
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == [], step
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), step
        page.screenshot(path=tmp_path / f"{language}-{size}-{scheme}-{step}.png")

    page.goto(f"{service.base}/sign-in?lang={language}")
    assert page.locator("html").get_attribute("lang") == ("en" if language == "en" else "zh-CN")
    look("sign-in")
    for password, step in (("wrong", "wrong"), (PASSWORD, "change")):
        page.locator("#name").fill(name)
        page.locator("#password").fill(password)
        page.locator("form button").click()
        look(step)
    assert page.url.endswith("/account/password")
    for field, value in (("current", PASSWORD), ("new", "short"), ("repeat", "short")):
        page.locator(f"#{field}").fill(value)
    page.locator("form button").first.click()
    look("refused")
    for field, value in (("current", PASSWORD), ("new", f"{PASSWORD} indeed"), ("repeat", f"{PASSWORD} indeed")):
        page.locator(f"#{field}").fill(value)
    page.locator("form button").first.click()
    page.wait_for_url("**/account")
    look("account")
    # The browser says so of answers of 403 and 422, which are meant.
    assert [problem for problem in problems if "status of 4" not in problem] == []


def test_the_pages_need_no_script(service: Service, page: Page):
    with urllib.request.urlopen(f"{service.base}/sign-in") as answer:
        text = answer.read().decode()
    assert "<script" not in text
    assert " style=" not in text

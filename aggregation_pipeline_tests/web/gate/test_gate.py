"""The gate, before a real webserver on a real PostgreSQL.

What a page of another site makes a browser send does nothing. Programs may do everything.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from dagster import AssetKey, DagsterInstance, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from aggregation_pipeline_tests.support.runs import ORIGIN, open_instance
from aggregation_pipeline_tests.web.served import Answer, ask, open_websocket, serving

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

JSON = "Content-Type: application/json"
# The headers that a browser sends for pages that are not ours. A sandboxed frame has no origin.
ELSEWHERE = {
    "another port": ("Origin: http://127.0.0.1:8888", "Sec-Fetch-Site: same-site"),
    "another site": ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site"),
    "a browser that sends Origin alone": ("Origin: http://evil.example",),
    "no origin": ("Origin: null",),
    "an empty origin": ("Origin: ",),
    "two origins": ("Origin: http://127.0.0.1:{port}", "Origin: http://evil.example"),
    "https": ("Origin: https://127.0.0.1:{port}",),
    "our other name": ("Origin: http://localhost:{port}", "Sec-Fetch-Site: cross-site"),
    "no Origin, but a site": ("Sec-Fetch-Site: cross-site",),
    "no Origin, but a Referer": ("Referer: https://evil.example/page",),
    "a name that begins like ours": ("Origin: http://127.0.0.1:{port}.evil.example",),
}
TYPES = (
    *(
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; x=application/json",
    ),
    *("text/plain;charset=application/graphql", ""),
)


@dataclass
class Served:
    """The webserver, with two runs that an attack would cancel and delete."""

    port: int
    instance: DagsterInstance
    queued: str
    ended: str

    @property
    def mutation(self) -> str:
        """A mutation that would cancel the one run and delete the other."""
        return (
            f'mutation {{ one: terminateRun(runId: "{self.queued}", terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) {{'
            f' __typename }} two: deletePipelineRun(runId: "{self.ended}") {{ __typename }} }}'
        )

    def ask(self, line: str, *headers: str, body: str = "", host: str | None = None) -> Answer:
        """Send a request to the webserver; `{port}` in a header is its port."""
        return ask(self.port, line, *(header.format(port=self.port) for header in headers), body=body, host=host)

    def unharmed(self) -> bool:
        """Return whether both runs are as they were, and nothing was reported."""
        runs = {run.run_id: run.status for run in self.instance.get_runs()}
        events = self.instance.get_latest_materialization_event(AssetKey(["aggregation", "orders"]))
        return runs == {self.queued: DagsterRunStatus.QUEUED, self.ended: DagsterRunStatus.SUCCESS} and events is None


@pytest.fixture(scope="module")
def running(postgres: "PostgresServer", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    workspace = tmp_path_factory.mktemp("web") / "workspace.yaml"
    workspace.write_text("load_from: []\n")
    with open_instance(postgres.fresh_database()) as instance, serving(instance, workspace) as port:
        yield Served(port, instance, "", "")


@pytest.fixture
def served(running: Served) -> Served:
    """The webserver and its two runs; new runs if a test has changed them."""
    if not running.unharmed():
        for run in running.instance.get_runs():
            running.instance.delete_run(run.run_id)
        origin = ORIGIN.get_job_origin("aggregate")
        statuses = (DagsterRunStatus.QUEUED, DagsterRunStatus.SUCCESS)
        runs = [create_run_for_test(running.instance, status=status, remote_job_origin=origin) for status in statuses]
        running.queued, running.ended = (run.run_id for run in runs)
    return running


def test_a_program_and_our_own_page_may_cancel_and_delete(served: Served):
    """So the mutation that the other tests send does do harm if it comes through."""
    body = json.dumps({"query": served.mutation})
    assert (
        served.ask(
            "POST /graphql",
            JSON,
            "Origin: http://127.0.0.1:{port}",
            "Sec-Fetch-Site: same-origin",
            body='{"query": "{version}"}',
        ).status
        == 200
    )
    answer = served.ask("POST /graphql", JSON, body=body)
    assert answer.status == 200
    assert json.loads(answer.body)["data"] == {
        "one": {"__typename": "TerminateRunSuccess"},
        "two": {"__typename": "DeletePipelineRunSuccess"},
    }
    assert [run.status for run in served.instance.get_runs()] == [DagsterRunStatus.CANCELED]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "form",
    [
        "{mutation}",
        "  # a comment\n,,{mutation}",
        "\ufeff{mutation}",
        "query Reads {{ version }} {named}",
        'fragment F on Mutation {{ a: deletePipelineRun(runId: "{ended}") {{ __typename }} }} mutation {{ ...F }}',
        'subscription {{ capturedLogs(logKey: ["x"]) {{ cursor }} }}',
    ],
)  # fmt: skip
def test_nothing_is_executed_by_get_but_queries(served: Served, method: str, form: str):
    named = served.mutation.replace("mutation", "mutation Acts")
    query = quote(form.format(mutation=served.mutation, named=named, ended=served.ended))
    hidden = quote("{version}")
    for path in (
        f"/graphql?query={query}",
        f"/graphql?query={query}&operationName=Acts",
        f"/graphql?query={query}&operationName=Reads",
        f"/graphql/?query={query}",
        f"/graphql?query={hidden}&query={query}",
        f"/graphql?query={query}&query={hidden}",
        f"/%67raphql?query={query}&extensions=%7B%22persistedQuery%22%3A%7B%22version%22%3A1%7D%7D",
        f"/graphql?quer%79={query}",
        f"http://127.0.0.1:{served.port}/graphql?query={query}",
    ):
        answer = served.ask(f"{method} {path}")
        assert (answer.status, answer.headers["allow"]) == (405, "POST"), path
        assert method == "HEAD" or "Send mutations as POST" in answer.body
    # Its own page may not either, nor with the mutation in the body.
    own = ("Origin: http://127.0.0.1:{port}", "Sec-Fetch-Site: same-origin")
    assert served.ask(f"{method} /graphql?query={query}", *own).status == 405
    served.ask(f"{method} /graphql?query={hidden}", JSON, body=json.dumps({"query": served.mutation}))
    assert served.unharmed()


def test_queries_by_get_are_read_as_before(served: Served):
    answer = served.ask(f"GET /graphql?query={quote('query A { version } query B { __typename }')}&operationName=A")
    assert answer.status == 200
    assert set(json.loads(answer.body)["data"]) == {"version"}
    broken = served.ask("GET /graphql?query=%7B")
    assert (broken.status, "cannot be read: Syntax Error" in broken.body) == (400, True)
    assert served.ask(f"GET /graphql?query={quote('{a' * 20_000)}").status == 400
    assert "GraphiQL" in served.ask("GET /graphql", "Accept: text/html").body


@pytest.mark.parametrize("page", ELSEWHERE)
def test_a_page_of_another_site_does_nothing(served: Served, page: str):
    says, query = ELSEWHERE[page], quote(served.mutation)
    body = json.dumps({"query": served.mutation})
    for type_ in (JSON, *(f"Content-Type: {text}" for text in TYPES if text)):
        for path in ("/graphql", f"/graphql?query={query}"):
            answer = served.ask(f"POST {path}", type_, *says, body=body)
            assert (answer.status, "A page of another site" in answer.body) == (403, True)
    for kind in ("materialization", "observation", "check"):
        event = "?asset_key=%5B%22aggregation%22%2C%22orders%22%5D&check_name=x&passed=true"
        assert served.ask(f"POST /report_asset_{kind}/aggregation/orders", *says).status == 403
        assert served.ask(f"POST /report_asset_{kind}/{event}", *says).status == 403
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert served.ask(f"{method} /graphql", *says).status == 403
    assert served.ask(f"GET /graphql?query={query}", *says).status == 403
    # Two origins are no handshake at all for the server.
    assert open_websocket(served.port, *(header.format(port=served.port) for header in says)) in {400, 403}
    assert served.unharmed()


@pytest.mark.parametrize("type_", TYPES)
def test_graphql_is_refused_in_every_form_that_a_page_may_send_without_a_preflight(served: Served, type_: str):
    said = [f"Content-Type: {type_}"] if type_ else []
    for extra in ([], [JSON]) if type_ else ([],):
        answer = served.ask(
            f"POST /graphql?query={quote(served.mutation)}", *said, *extra, body=json.dumps({"query": served.mutation})
        )
        assert (answer.status, "JSON only" in answer.body) == (415, True)
    assert served.unharmed()


def test_a_batch_does_nothing(served: Served):
    served.ask("POST /graphql", JSON, body=json.dumps([{"query": served.mutation}]))
    assert served.unharmed()


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.:{port}",
        "",
        "a\r\nHost: 127.0.0.1:{port}",
    ],
)
def test_a_foreign_host_name_that_leads_to_our_address_is_refused(served: Served, host: str):
    host = host.format(port=served.port)
    for line in (
        "GET /",
        "GET /server_info",
        "GET /graphql?query=%7Bversion%7D",
        "POST /graphql",
        f"GET http://127.0.0.1:{served.port}/",
    ):
        # Two of them, or none, the server itself may refuse.
        answer = served.ask(
            line, JSON, body=json.dumps({"query": served.mutation}) if "POST" in line else "", host=host
        )
        assert answer.status in {400, 403}
        assert answer.status == 400 or "ALLOWED_HOSTS" in answer.body
    assert open_websocket(served.port, host=host) in {400, 403}
    assert served.unharmed()


def test_websockets_open_for_our_own_page_and_for_programs(served: Served):
    own = f"http://127.0.0.1:{served.port}"
    assert open_websocket(served.port, f"Origin: {own}", "Sec-Fetch-Site: same-origin") == 101
    assert open_websocket(served.port) == 101
    assert open_websocket(served.port, f"Origin: {own}", "Sec-Fetch-Site: cross-site") == 403


def test_a_name_that_was_added_is_served_behind_tls_too(served: Served):
    says = ("Origin: https://dagster.example", "Sec-Fetch-Site: same-origin", JSON)
    # The gate lets it pass; then it has to sign in, because it may come from another machine.
    assert served.ask("POST /graphql", *says, body='{"query": "{version}"}', host="dagster.example").status == 401


def test_another_site_may_link_to_our_pages_but_not_load_parts_of_them(served: Served):
    cross = "Sec-Fetch-Site: cross-site"
    link = served.ask(
        "GET /runs", cross, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Referer: https://mail.example/"
    )
    assert (link.status, "text/html" in link.headers["content-type"]) == (200, True)
    for mode, dest in (
        ("no-cors", "image"),
        ("no-cors", "script"),
        ("navigate", "iframe"),
        ("cors", "empty"),
        ("navigate", "object"),
    ):
        for path in ("/runs", "/server_info", f"/download_debug/{served.ended}", "/logs/a/b.err"):
            assert served.ask(f"GET {path}", cross, f"Sec-Fetch-Mode: {mode}", f"Sec-Fetch-Dest: {dest}").status == 403


@pytest.mark.parametrize("path", ["/", "/server_info", "/graphql", "/favicon.png", "/nothing/here"])
def test_no_page_of_another_site_shows_ours_in_a_frame(served: Served, path: str):
    for host in (None, "evil.example"):
        headers = served.ask(f"GET {path}", host=host).headers
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["content-security-policy"].endswith("frame-ancestors 'self'")
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_the_same_holds_below_a_path(served: Served, tmp_path: Path):
    (tmp_path / "workspace.yaml").write_text("load_from: []\n")
    with serving(served.instance, tmp_path / "workspace.yaml", "/reports") as port:
        assert ask(port, f"GET /reports/graphql?query={quote(served.mutation)}").status == 405
        assert ask(port, "POST /reports/graphql", JSON, "Origin: null", body="{}").status == 403
        assert open_websocket(port, "Origin: null", path="/reports/graphql") == 403
        assert ask(port, "GET /reports/graphql?query=%7Bversion%7D").status == 200
        for path in ("/reports/notebook", "/reports/dagit/notebook"):
            assert "text/html" in ask(port, f"GET {path}?path=x.ipynb&repoLocName=x").headers["content-type"]
    assert served.unharmed()


def test_notebooks_are_not_rendered_as_pages_of_ours(served: Served):
    for path in ("/notebook", "/dagit/notebook"):
        page = served.ask(f"GET {path}?path=../x.ipynb&repoLocName=x")
        assert (page.status, "nbconvert" in page.body, "__NEXT_DATA__" in page.body) == (200, False, True)

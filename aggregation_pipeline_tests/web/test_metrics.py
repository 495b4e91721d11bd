"""`GET /metrics` among our endpoints."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from aggregation_pipeline.batch_jobs.mirror_cursor import MirrorCursor
from aggregation_pipeline.metrics.dagster_state import mirror_metrics
from aggregation_pipeline.metrics.exposition import OPENMETRICS
from aggregation_pipeline_tests.metrics.observed import Observed, observed
from aggregation_pipeline_tests.metrics.parsed import families, samples, value
from aggregation_pipeline_tests.support.markdown import CODE_SPAN, read, section, tables
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.web.served import Answer, ask, serving
from aggregation_pipeline_tests.web.test_api import described

if TYPE_CHECKING:
    from schemathesis import Case

    from aggregation_pipeline_tests.support.servers.handles import PostgresServer


@pytest.fixture(scope="module")
def deployment(postgres: "PostgresServer", server_folder: Path) -> Iterator[Observed]:
    with observed(postgres.fresh_database(), server_folder / "web metrics") as made:
        yield made


@pytest.fixture(scope="module")
def port(deployment: Observed) -> Iterator[int]:
    with serving(deployment.instance, deployment.workspace, settings=deployment.settings) as listening:
        yield listening


def scrape(port: int, *headers: str, path: str = "/metrics") -> Answer:
    return ask(port, f"GET {path}", *headers)


def test_metrics_are_text_and_by_accept_openmetrics(port: int):
    plain, open_metrics = scrape(port), scrape(port, f"Accept: {OPENMETRICS};version=1.0.0,text/plain;q=0.5")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert open_metrics.headers["content-type"].startswith(f"{OPENMETRICS}; version=1.0.0")
    for answer in (plain, open_metrics):
        assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
        assert value(answer.body, "aggregation_last_day_rows", table="用户") == 12
        assert value(answer.body, "aggregation_table_late", table="orders") == 1
    names = [{name for name, _ in samples(answer.body)} for answer in (plain, open_metrics)]
    assert names[0] == names[1]


def test_every_metric_is_explained(port: int):
    found = families(scrape(port).body)
    assert len(found) > 15
    assert [name for name, family in found.items() if not family.documentation] == []


def test_health_is_told_by_the_probes_of_health(port: int):
    health = json.loads(ask(port, "GET /health").body)
    text = scrape(port).body
    for name, check in health["checks"].items():
        required = str(check["required"]).lower()
        assert value(text, "aggregation_health_check_success", check=name, required=required) == check["ok"], name
        age = value(text, "aggregation_health_check_age_seconds", check=name)
        assert age is not None
        # What works is known for fifteen seconds.
        assert age >= check["ageSeconds"] or not check["ok"], "it was asked again"


def test_no_label_holds_an_id_an_error_or_a_host(port: int, deployment: Observed):
    text = scrape(port).body
    for record in deployment.instance.get_run_records():
        assert record.dagster_run.run_id not in text
    assert "the source is away" not in text
    assert "127.0.0.1" not in text


def test_it_is_answered_as_our_other_endpoints_are(port: int):
    assert ask(port, "HEAD /metrics").status == 200
    assert ask(port, "HEAD /metrics").body == ""
    assert scrape(port, path="/metrics/").status == 200
    assert scrape(port, path="/metrics/x").status == 404
    assert ask(port, "POST /metrics").status == 405
    # It names tables: only /health is answered under every Host.
    assert ask(port, "GET /metrics", host="10.0.0.5:3000").status == 403
    assert ask(port, "GET /metrics", host="dagster.example").status == 401


def test_the_description_says_that_it_is_text(port: int):
    document = json.loads(ask(port, "GET /openapi.json").body)
    operation = document["paths"]["/metrics"]["get"]
    assert operation["description"]
    assert set(operation["responses"]["200"]["content"]) == {"text/plain", OPENMETRICS}
    assert "GET /metrics" in ask(port, "GET /openapi").body

    @settings(max_examples=5, database=None, suppress_health_check=list(HealthCheck))
    @given(case=described(document, "/metrics", "GET").as_strategy())
    def fits(case: "Case[Any]") -> None:
        case.call_and_validate(base_url=f"http://127.0.0.1:{port}")

    fits()


def test_the_docs_list_every_metric_with_its_labels(port: int):
    page = section(read(REPOSITORY / "docs" / "http.md"), "Metrics")
    (rows,) = tables(page)
    listed = {CODE_SPAN.findall(name)[0]: set(CODE_SPAN.findall(labels)) for name, labels, _ in rows}
    found: dict[str, set[str]] = {
        metric.name: set() for metric in mirror_metrics(MirrorCursor(datetime.now(UTC), at=datetime.now(UTC)))
    }
    for name, pairs in samples(scrape(port).body):
        if name.startswith("aggregation_"):
            found.setdefault(name, set()).update(dict(pairs))
    assert listed == found

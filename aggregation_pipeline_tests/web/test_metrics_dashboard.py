"""The dashboard and the alerting rules of docs/grafana/ read what is there."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aggregation_pipeline.batch_jobs.mirror_cursor import MirrorCursor
from aggregation_pipeline.metrics.dagster_state import mirror_metrics
from aggregation_pipeline_tests.metrics.observed import observed
from aggregation_pipeline_tests.metrics.parsed import samples
from aggregation_pipeline_tests.web.dashboard import DASHBOARD, alert_expressions, panel_expressions, wrong_in
from aggregation_pipeline_tests.web.served import ask, serving

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer


@pytest.fixture(scope="module")
def labels(postgres: "PostgresServer", server_folder: Path) -> Mapping[str, set[str]]:
    """The metrics of the endpoint after real runs, and their labels.

    Those of the mirror are made apart: its sensor is in code that this test does not load.
    """
    with (
        observed(postgres.fresh_database(), server_folder / "dashboard") as deployment,
        serving(deployment.instance, deployment.workspace, settings=deployment.settings) as port,
    ):
        text = ask(port, "GET /metrics").body
    found: dict[str, set[str]] = {}
    for name, pairs in samples(text):
        found.setdefault(name, set()).update(dict(pairs))
    mirror = mirror_metrics(MirrorCursor(datetime.now(UTC), at=datetime.now(UTC)))
    return found | {metric.name: set() for metric in mirror}


@pytest.mark.slow
def test_every_query_of_the_dashboard_and_of_the_alerts_names_what_is_there(labels: Mapping[str, set[str]]):
    expressions = [*panel_expressions(), *alert_expressions()]
    assert len(expressions) > 25
    wrong = {where: found for where, expr, shown in expressions if (found := wrong_in(expr, shown, labels))}
    assert wrong == {}
    ours = {name for name in labels if name.startswith("aggregation_")}
    read = " ".join(expr for _, expr, _ in expressions)
    assert {name for name in ours if name not in read} == {"aggregation_health_check_age_seconds"}


def test_the_dashboard_can_be_imported_anywhere():
    variables = {each["name"]: each["type"] for each in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource": "datasource", "job": "query"}
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    sources = [part["datasource"]["uid"] for panel in panels for part in (panel, *panel["targets"])]
    assert set(sources) == {"${datasource}"}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    # No panel lies over another one, or beyond the 24 columns.
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
    assert all(panel["description"].strip() for panel in panels)


def test_the_dashboard_notices_what_is_not_there():
    labels = {"aggregation_runs": {"status"}}
    assert wrong_in("max by (status) (aggregation_runs)", "{{status}}", labels) == []
    assert wrong_in("aggregation_run", "", labels) == ["aggregation_run"]
    assert wrong_in('max by (state) (aggregation_runs{stage="x"})', "{{status}}", labels) == [
        "stage",
        "state",
        "status",
    ]

"""What `/aggregate` answers is what its description says, for requests as it allows them and for others."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode, checks

from aggregation_pipeline.web import openapi_page
from aggregation_pipeline_tests.web.aggregate.site import Site
from aggregation_pipeline_tests.web.test_api import described


@pytest.mark.slow
@pytest.mark.parametrize("mode", [*GenerationMode], ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), [("/aggregate", "POST"), ("/aggregate/{id}", "GET")])
def test_answers_are_what_the_description_says(site: Site, path: str, method: str, mode: GenerationMode):
    operation = described(site.api.openapi(), path, method)

    @settings(max_examples=10, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def fits(case: Case[Any]) -> None:
        if str(case.query.get("wait", "")).isdigit():
            # Nothing takes runs out of the queue here.
            case.query["wait"] = 0
        # Which tables, formats and partitions there are is not in the description: 422 says it.
        case.call_and_validate(
            base_url=f"http://127.0.0.1:{site.port}",
            excluded_checks=[checks.positive_data_acceptance],
        )

    fits()


def test_every_field_is_explained(site: Site):
    document = site.api.openapi()
    for name, schema in document["components"]["schemas"].items():
        if "Validation" not in name:
            assert schema["description"], name
            for field, about in schema["properties"].items():
                assert about.get("description") or {"const", "enum"} & about.keys(), f"{name}.{field}"
    for path in ("/aggregate", "/aggregate/{id}"):
        for operation in document["paths"][path].values():
            assert operation["description"]
            assert all(parameter["description"] for parameter in operation.get("parameters", ()))


def test_the_page_shows_what_is_sent_and_all_kinds_of_answers(site: Site):
    page = openapi_page.render(site.api.openapi())
    for name in ("AggregateRequest", "AggregateAnswer", "PlanAnswer", "Refused", "OldSummary", "TableOutcome"):
        assert page.count(f"<h3>{name}</h3>") == 2 - (name in {"AggregateRequest", "PlanAnswer"}), name
    for word in ("dryRun", "Idempotency-Key".lower(), "AggregateAnswer or PlanAnswer"):
        assert word.lower() in page.lower(), word

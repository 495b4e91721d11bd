"""Requests that cannot be read are the sender's mistake: they are answered with 400 or 404, and fill no log."""

import urllib.parse

import pytest

from aggregation_pipeline_tests.web.sign_in.people import JSON, People


@pytest.mark.parametrize(
    "body",
    [
        *("[" * 100_000, "{", "1", "null", '[{"query": "{ version }"}]', '{"query": 1}'),
        *('{"query": "{ version }", "variables": [1]}', '{"query": "{ version }", "variables": "[1]"}'),
        '{"query": "{ version }", "variables": "x"}',
    ],
)
def test_graphql_that_cannot_be_read(people: People, body: str, caplog: pytest.LogCaptureFixture):
    answer = people.ask("vera", "POST /graphql", JSON, body=body)
    assert (answer.status, "One request is expected" in answer.body) == (400, True)
    assert not caplog.records


def test_graphql_whose_variables_are_a_text_or_absent_is_answered(people: People):
    for body in ('{"query": "{ version }", "variables": "{}"}', '{"query": "{ version }", "variables": null}'):
        assert people.ask("vera", "POST /graphql", JSON, body=body).status == 200
    query = urllib.parse.quote("{ version }")
    assert people.ask("vera", f"GET /graphql?query={query}&variables=%7B%7D").status == 200
    assert people.ask("vera", f"GET /graphql?query={query}&variables=1").status == 400


@pytest.mark.parametrize(
    "path", ["/logs/..%2f..%2f..%2fetc%2fpasswd", "/logs/../../../../../etc/passwd", "/logs/x.out"]
)
def test_logs_outside_of_their_folder(people: People, path: str, caplog: pytest.LogCaptureFixture):
    assert people.ask("otto", f"GET {path}").status == 404
    assert not caplog.records

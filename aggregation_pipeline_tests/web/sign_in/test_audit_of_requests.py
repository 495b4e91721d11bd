"""What somebody has asked for is in the audit log."""

import json

from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.sign_in.people import JSON, People


def test_refusals_and_mutations_are_in_the_audit_log_without_their_variables(people: People):
    secret = "hidden-in-a-variable"
    query = "mutation($m: String!) { reportRunlessAssetEvents(eventParams: {eventType: ASSET_MATERIALIZATION, assetKey:"
    query += ' {path: ["victim"]}, description: $m}) { __typename } deleteRun(runId: "run-1") { __typename } }'
    body = json.dumps({"query": query, "variables": {"m": secret}})
    for who in ("ada", "otto"):
        assert people.ask(who, "POST /graphql", JSON, body=body).status == 200
    for who, status in (("otto", 403), ("ada", 200)):
        assert people.ask(who, "POST /report_asset_materialization/victim").status == status
    expected = {
        *(("ada", "graphql.deleteRun", "failed"), ("otto", "graphql.deleteRun", "refused")),
        *(("otto", "request", "refused"), ("ada", "request", "ok")),
    }
    # The answer to a request comes before its row.
    until("the rows", lambda: expected <= {(entry.who, entry.what, entry.result) for entry in people.audit()}, 20)
    found = people.audit()
    assert any(entry.details.get("ids") == "victim" for entry in found)
    assert any(entry.details.get("ids") == "run-1" for entry in found)
    assert secret not in str(found)

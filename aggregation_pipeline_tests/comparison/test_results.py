"""What a comparison says as JSON."""

import json
from collections import Counter

from aggregation_pipeline.comparison.results import ColumnResult, Comparison, TableResult


def test_notes_and_delays_are_counts_by_name_in_json():
    column = ColumnResult(2, notes=Counter(lost_digits=3), late=Counter({3600: 2}))
    document = json.loads(json.dumps(Comparison([TableResult("orders", "latest", columns={"id": column})]).to_dict()))
    found = document["tables"][0]["columns"]["id"]
    assert (found["differing"], found["notes"], found["late"]) == (2, {"lost_digits": 3}, {"3600": 2})

"""`batch_jobs.metadata` is what its schema in docs/ says."""

import json

import jsonschema
import pytest

from aggregation_pipeline.batch_jobs.deleted_runs import close_deleted_run
from aggregation_pipeline.batch_jobs.projection import FILES_IN_A_ROW
from aggregation_pipeline.runs.model import Started
from aggregation_pipeline_tests.batch_jobs.projected import (
    NOON,
    PLATFORMS,
    RUN_ID,
    done,
    failed,
    planned,
    row,
    run_info,
)
from aggregation_pipeline_tests.support.paths import REPOSITORY


def test_the_metadata_is_what_the_schema_in_docs_says():
    schema = json.loads((REPOSITORY / "docs" / "batch_jobs_metadata.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    file = {
        "table": "baidu",
        "format": "csv",
        "dataset": "detail",
        "uri": "oss://b/k",
        "rows": 1,
        "bytes": 2,
        "crc64": None,
    }
    plan = planned("baidu", "weibo", "zhihu")
    tags = {
        "dagster/partition": "2026-11-19",
        "dagster/schedule_name": "aggregate_schedule",
        "dagster/root_run_id": RUN_ID,
    }
    many = done(11, "baidu", 5, files=(file,) * (FILES_IN_A_ROW + 1), bytes=7, seconds=1.5)
    made = [
        row(run_info("QUEUED", started_at=None)),
        row(run_info(), *plan, Started(10, "weibo"), many),
        row(
            run_info("FAILURE", tags=tags),
            *plan,
            many,
            failed(12, "weibo", "why " * 9_000),
            failed(13, None, "died", step=None),
        ),
        row(run_info("SUCCESS"), *plan, *(done(20 + number, name, 1) for number, name in enumerate(PLATFORMS))),
    ]
    for each in [*made, *(close_deleted_run(one, NOON) for one in made)]:
        validator.validate(json.loads(json.dumps(each.metadata)))
    validator.validate({"dagster": made[0].metadata["dagster"], "mirror_error": "refused"})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**made[0].metadata, "something": 1})

"""The answers of `/status` and `/files` are what their description says, whatever is asked and whatever is stored."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.applications import Starlette

from aggregation_pipeline.web.status.answers import StatusAnswer
from aggregation_pipeline.web.status.batch_answers import BatchAnswer
from aggregation_pipeline_tests.batch_jobs.any_rows import ROW, insert
from aggregation_pipeline_tests.support.markdown import code_blocks, read
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.runs import new_batch_jobs
from aggregation_pipeline_tests.web.asgi import AsLocal, ask
from aggregation_pipeline_tests.web.served import free_port, serving_app
from aggregation_pipeline_tests.web.shop import Shop, opened_app
from aggregation_pipeline_tests.web.test_api import check_explanations, try_out

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

PATHS = ("/status", "/status/{batchJobId}", "/files/{key}")


def test_every_field_and_every_parameter_is_explained(shop: Shop):
    document = shop.get("/openapi.json").json
    assert set(PATHS) <= set(document["paths"])
    check_explanations(document)
    page = shop.get("/openapi").body.decode()
    for word in ("newestWindow", "successRate", "jobType", "batchJobId", "BatchSummary", "TableRows"):
        assert word in page, word


@pytest.mark.parametrize("page", ["http.md", "http.zh-CN.md"])
def test_the_example_of_the_docs_has_the_fields_of_an_answer(shop: Shop, page: str):
    blocks = [code for language, code in code_blocks(read(REPOSITORY / "docs" / page)) if language == "json"]
    example = next(found for found in map(json.loads, blocks) if "openBatches" in found)
    answer = shop.get("/status").json
    assert example.keys() == answer.keys()
    for name in ("status", "figures", "lastError", "batches"):
        assert example[name].keys() == answer[name].keys(), name
    for name in ("schedules", "tables"):
        assert example[name][0].keys() == answer[name][0].keys(), name


def test_answers_are_what_the_description_says(shop: Shop):
    from schemathesis import GenerationMode

    document, port = shop.get("/openapi.json").json, free_port()
    with opened_app(shop.settings, shop.instance, port) as app, serving_app(AsLocal(app), port):
        for path in PATHS:
            for mode in GenerationMode:
                # Every text is a key.
                if (path, mode) != ("/files/{key}", GenerationMode.NEGATIVE):
                    try_out(document, path, mode, port)


@pytest.fixture(scope="module")
def others(shop: Shop, postgres: "PostgresServer") -> Iterator[tuple[Starlette, sa.Engine]]:
    """The endpoints over a batch_jobs of its own."""
    url = postgres.fresh_database()
    changed = shop.settings.model_copy(update={"batch_jobs_url": SecretStr(url), "deployment_name": "prod"})
    with opened_app(changed, shop.instance) as app:
        yield app, new_batch_jobs(url)


def test_before_the_first_run_there_is_nothing_and_that_is_no_error(shop: Shop, postgres: "PostgresServer"):
    changed = shop.settings.model_copy(update={"batch_jobs_url": SecretStr(postgres.fresh_database())})
    with opened_app(changed, shop.instance) as app:
        answer = ask(app, "/status")
        assert answer.status == 200, answer.body
        found = answer.json
        assert (found["lastRun"], found["lastError"], found["batches"]) == (None, None, {"items": [], "next": None})
        assert (found["figures"]["successRate"], found["running"], len(found["tables"])) == (None, 0, 3)
        assert ask(app, "/status/1a2b3c4d").status == 404


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=4))
@pytest.mark.slow
def test_rows_of_other_programs_break_no_answer(others: tuple[Starlette, sa.Engine], rows: list[dict[str, Any]]):
    app, engine = others
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE batch_jobs")
    for row in rows:
        insert(engine, **row)
    listed = ask(app, "/status?jobType=*&limit=100")
    assert listed.status == 200, listed.body
    answer = json.loads(listed.body, parse_constant=pytest.fail)
    StatusAnswer.model_validate(answer)
    with engine.connect() as connection:
        ids = connection.exec_driver_sql("SELECT id FROM batch_jobs").scalars().all()
    assert {item["batchJobId"] for item in answer["batches"]["items"]} <= set(map(str, ids))
    for row_id in ids:
        one = ask(app, f"/status/{row_id}")
        assert one.status == 200, one.body
        BatchAnswer.model_validate(json.loads(one.body, parse_constant=pytest.fail))


def test_the_ids_of_several_batches_may_begin_alike(others: tuple[Starlette, sa.Engine]):
    app, engine = others
    for number in range(7):
        insert(engine, id=f"abcd0000-0000-0000-0000-00000000000{number}", created_at="2026-11-20T00:00:00Z")
    answer = ask(app, "/status/abcd")
    assert (answer.status, answer.json["detail"].count("abcd0000-"), " ..." in answer.json["detail"]) == (409, 5, True)
    assert ask(app, "/status/abcd0000-0000-0000-0000-000000000003").status == 200


def test_the_links_of_other_deployments_rows_lead_to_no_run_of_ours(others: tuple[Starlette, sa.Engine]):
    app, engine = others
    for deployment, start in (("prod", "1111"), ("x", "2222")):
        row_id = f"{start}0000-0000-0000-0000-000000000000"
        file = {"uri": "file:///etc/passwd", "table": "t"}
        metadata = {"dagster": {"deployment": deployment, "run_id": row_id}, "results": {"p": {"files": [file]}}}
        insert(engine, id=row_id, metadata=metadata, created_at="2026-11-20T00:00:00Z")
    ours, theirs = (ask(app, f"/status/{start}").json for start in ("1111", "2222"))
    assert (ours["links"]["run"], theirs["links"]["run"]) == ("/runs/11110000-0000-0000-0000-000000000000", None)
    assert ours["tables"][0]["files"][0]["link"] is None, "a file outside of the folder has no link"

"""Rows that other programs wrote into batch_jobs, as ill-shaped as its columns allow: no page breaks on one."""

import json
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from aggregation_pipeline_tests.batch_jobs.any_rows import insert
from aggregation_pipeline_tests.support.runs import new_batch_jobs
from aggregation_pipeline_tests.web.asgi import ask
from aggregation_pipeline_tests.web.shop import Shop, opened_app

MARKUP = "<script>alert(1)</script>\"'&{{7*7}}\u202e\u2066"
NAMED = {"results": {MARKUP: {"status": MARKUP, "tables": [MARKUP], "by_table": {MARKUP: {"status": MARKUP}}}},
         "errors": [{"error": MARKUP * 30, "platform": MARKUP, "step": MARKUP, "at": "9999-12-31T23:59:59Z"}],
         "dagster": {"run_id": "../../x?y#z", "deployment": "demo", "partition": MARKUP, "schedule": MARKUP},
         "planned": [MARKUP] * 5, "mirror_error": MARKUP}  # fmt: skip


def counted(number: object) -> dict[str, Any]:
    """Metadata with this in the place of each number."""
    figures = dict.fromkeys(("items", "bytes", "seconds", "partitions", "planned_partitions"), number)
    file = {"uri": "javascript:alert(1)", "rows": number, "bytes": number}
    table = {**figures, "status": "completed", "stages": {"read": number, "render": number}}
    results = {"orders": {**figures, "files": [file], "files_left_out": number, "by_table": {"orders": table}}}
    return {"summary": {"rows": number}, "results": results, "timing": {"run_seconds": number}, "orders_items": number}


NUMBERS: tuple[object, ...] = (
    -1,
    0,
    10**19,
    10**299,
    10**309,
    "9" * 18,
    "9" * 400,
    "9" * 5000,
    "\u0661",
    1e305 + 0.5,
    True,
    [],
    None,
)
LONG = {"results": {"n" * 1_000_000: {"by_table": {"t" * 1_000_000: {"items": 1}}}, "p" * 1_000_000: {}}}
SHAPES = (NAMED, LONG, [1, {"a": 1}], 5, "x", None, json.loads("[" * 500 + "]" * 500), *map(counted, NUMBERS))
# Of the row's creation, start and end; None is now.
MOMENTS = (
    ("0001-01-01", "0001-01-01", "9999-12-31T23:59:59Z"),
    ("9999-12-31T20:00:00Z", "9999-12-31T20:00:00Z", "9999-12-31T23:59:59Z"),
    (None, "9999-12-31T20:00:00Z", "9999-12-31T23:59:59Z"),
    (None, "0001-01-01", "infinity"),
    ("infinity", "-infinity", "infinity"),
    ("4000-01-01 BC", "4000-01-01 BC", "20000-01-01"),
)


@pytest.mark.slow
def test_no_row_breaks_a_page(shop: Shop, postgres: Any):
    url = postgres.fresh_database()
    ids = _hostile_rows(new_batch_jobs(url))
    changed = shop.settings.model_copy(update={"batch_jobs_url": SecretStr(url)})
    with opened_app(changed, shop.instance) as app:
        paths = ["/batches?hours=all&concerns=all", "/batches/tables/orders", "/status"]
        for path in [*paths, *(f"{page}/{each}" for each in ids for page in ("/batches", "/status"))]:
            answer = ask(app, path)
            assert answer.status == 200, (path, answer.body)
            if path.startswith("/batches"):
                assert len(answer.body) < 1_000_000, path
                assert b"<script>" not in answer.body, path
                assert b'href="javascript:' not in answer.body, path


def _hostile_rows(engine: Any) -> list[str]:
    ids = []

    def add(**columns: Any) -> None:
        ids.append(str(uuid4()))
        insert(engine, id=ids[-1], **columns)

    for status in ("failed", "completed", "in_progress"):
        for metadata in SHAPES:
            add(status=status, platforms_processed=["orders", MARKUP], metadata=json.dumps(metadata))
        for created, started, ended in MOMENTS:
            given = {"created_at": created} if created else {}
            add(status=status, started_at=started, completed_at=ended, platforms_processed=["orders"], **given)
    return ids

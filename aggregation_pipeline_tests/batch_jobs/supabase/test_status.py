"""`GET /status` of a deployment whose batch_jobs is at Supabase."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from dagster import DagsterInstance

from aggregation_pipeline.overview import kept
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.batch_jobs.any_rows import STATUSES, our_row, run_id, write
from aggregation_pipeline_tests.support.servers.postgrest import FakePostgrest
from aggregation_pipeline_tests.web.asgi import ask
from aggregation_pipeline_tests.web.shop import opened_app


def test_status_and_batches_come_by_rest(
    engine: sa.Engine,
    api: FakePostgrest,
    dagster_instance: DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    now = datetime.now(UTC)
    write(engine, [our_row(number, now - timedelta(hours=number), STATUSES[number % 4]) for number in range(8)])
    (tmp_path / "aggregation.yaml").write_text("tables: {orders: {select_fields: [id]}}\n", "utf-8")
    settings = Settings(
        supabase_url=api.url,
        supabase_key="service-key",
        dagster_pg_url="postgresql://nobody@127.0.0.1:1/x",
        aggregation_config=tmp_path / "aggregation.yaml",
        deployment_name="prod",
    )
    with opened_app(settings, dagster_instance) as app:
        status = ask(app, "/status").json
        assert (status["running"], status["queued"], status["figures"]["completed"]) == (2, 2, 2)
        assert [item["batchJobId"] for item in status["batches"]["items"]] == [run_id(number) for number in range(8)]
        assert status["lastError"]["text"] == "It broke. Mend it."
        failed = ask(app, "/status?status=failed&table=orders&limit=1").json["batches"]
        assert ([item["batchJobId"] for item in failed["items"]], failed["next"] is None) == ([run_id(1)], False)
        assert ask(app, f"/status/{run_id(5)[:8]}").json["errors"][0]["table"] == "orders"
        api.faults += [503] * 3
        answer = ask(app, "/status?status=failed")
        assert (answer.status, b"127.0.0.1" in answer.body) == (503, False)
        api.faults += [503] * 3
        monkeypatch.setattr(kept, "_FRESH_SECONDS", 0.0)
        monkeypatch.setattr(kept, "_RECENT_SECONDS", 0.0)
        assert ask(app, "/status").json["running"] == 2, "what was known is shown"

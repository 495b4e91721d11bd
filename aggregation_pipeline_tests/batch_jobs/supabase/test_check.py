"""What `check` says of batch_jobs behind Supabase's REST interface."""

import sqlalchemy as sa

from aggregation_pipeline.doctor.batch_jobs import examine_batch_jobs
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.source.findings import Finding
from aggregation_pipeline_tests.support.servers.postgrest import FakePostgrest


def rows_by(api: FakePostgrest, key: str) -> Finding:
    settings = Settings.model_validate({"supabase_url": api.url, "supabase_key": key})
    (found,) = examine_batch_jobs(Case(settings, None))
    return found


def test_the_key_decides(engine: sa.Engine, api: FakePostgrest):
    assert (rows_by(api, "service-key").status, rows_by(api, "service-key").text) == (
        "ok",
        "they can be written, in Supabase by REST",
    )
    refused = rows_by(api, "anon-key")
    assert refused.status == "failure"
    assert "SUPABASE_KEY is not the key of service_role" in refused.text
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM batch_jobs").scalar_one() == 0

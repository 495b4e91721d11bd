"""A deployment that publishes to the OSS test server.

`python -m aggregation_pipeline_tests.support.oss_deployment DAGSTER_URL` runs its job once, in a process of its own.
"""

import os
import sys
from typing import Any

from dagster import ExecuteInProcessResult

from aggregation_pipeline.automation.job_groups import AGGREGATE_JOB
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.project import load_project
from aggregation_pipeline.runs.tags import LOGICAL_TIME_TAG, WINDOW_TAG
from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.servers.oss.server import BUCKET, KEY_ID, REGION, SECRET

WINDOW = "2026-11-20"
CONFIG = """
tables:
  orders:
    group_by: [status]
    aggregations: [{function: COUNT, alias: orders}, {function: SUM, field: price, alias: revenue}]
    select_fields: [id, status, price]
"""


def variables(server: OssServer, folder: Any, source: Any, database: str, dagster_url: str) -> dict[str, str]:
    """The environment of the deployment, without the machine's own configuration."""
    own_settings = {name.upper() for name in Settings.model_fields}
    (folder / "aggregation.yaml").write_text(CONFIG, encoding="utf-8")
    return {
        **{
            name: value
            for name, value in os.environ.items()
            if name not in own_settings and not name.startswith("DAGSTER")
        },
        "AGGREGATION_ENV_FILE": os.devnull,
        "AGGREGATION_CONFIG": str(folder / "aggregation.yaml"),
        "DB_SOCKET": source.unix_socket,
        "DB_USER": source.user,
        "DB_NAME": database,
        "DAGSTER_PG_URL": dagster_url,
        **oss_variables(server),
        "OSS_PREFIX": "daily",
        "OSS_ATTEMPTS": "2",
        "STORAGE_DIR": str(folder / "exports"),
        "TEMP_DIR": str(folder / "temp"),
        "LOG_DIR": str(folder / "logs"),
        "OUTPUT_FORMAT": "all",
    }


def oss_variables(server: OssServer) -> dict[str, str]:
    """The variables by which a deployment finds the test server."""
    return {
        "OSS_BUCKET": BUCKET,
        "OSS_REGION": REGION,
        "OSS_ENDPOINT": f"http://127.0.0.1:{server.port}",
        "OSS_ACCESS_KEY_ID": KEY_ID,
        "OSS_ACCESS_KEY_SECRET": SECRET,
    }


def run_job(instance: Any) -> ExecuteInProcessResult:
    """Run the job over all tables. Its window and logical time are fixed, whenever it runs."""
    job = build_definitions(load_project(load_settings())).resolve_job_def(AGGREGATE_JOB)
    tags = {LOGICAL_TIME_TAG: "2026-11-19T18:00:00+00:00", WINDOW_TAG: WINDOW}
    return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)


if __name__ == "__main__":
    with open_instance(sys.argv[1]) as opened:
        sys.exit(0 if run_job(opened).success else 1)

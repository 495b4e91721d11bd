"""Nothing of ours is sent to anybody: Dagster's services take $DAGSTER_HOME/logs for telemetry, send its files away and delete them."""

import os
import subprocess
import sys
from pathlib import Path

SERVICE = """
import aggregation_pipeline.dagster_storage
from dagster._core.telemetry_upload import upload_logs
import threading
upload_logs(threading.Event(), raise_errors=True)
"""


def test_the_log_files_stay_where_dagster_home_is_their_folder(tmp_path: Path):
    log = tmp_path / "logs" / "combined.log"
    log.parent.mkdir()
    log.write_text("a line of ours")
    stops = ("BUILDKITE", "TF_BUILD", "DAGSTER_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in stops}
    # Nobody listens there: what it would send fails at once.
    own = {"DAGSTER_HOME": str(tmp_path), "DAGSTER_TELEMETRY_URL": "http://127.0.0.1:9"}
    service = subprocess.run(
        [sys.executable, "-c", SERVICE], env=environment | own, capture_output=True, text=True, timeout=120, check=False
    )
    assert (service.returncode, service.stderr) == (0, "")
    assert log.read_text() == "a line of ours"
    assert not (tmp_path / ".logs_queue").exists()

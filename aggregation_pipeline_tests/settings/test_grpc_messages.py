"""Whatever starts Dagster's processes lets them send and take what describes thousands of tables."""

import subprocess
import sys
from pathlib import Path

from aggregation_pipeline.settings.grpc_messages import LARGE_MESSAGES
from aggregation_pipeline_tests.support.deployment import environment_without_settings

_CODE = """
import aggregation_pipeline.instance.storage
from dagster._grpc.client import DEFAULT_REPOSITORY_GRPC_TIMEOUT
from dagster._grpc.utils import max_rx_bytes, max_send_bytes
print(max_rx_bytes(), max_send_bytes(), DEFAULT_REPOSITORY_GRPC_TIMEOUT)
"""


def test_a_process_of_dagster_takes_large_messages_unless_its_environment_says_otherwise(tmp_path: Path):
    environment = {name: value for name, value in environment_without_settings().items() if name not in LARGE_MESSAGES}
    done = subprocess.run(
        [sys.executable, "-c", _CODE],
        env={**environment, "DAGSTER_GRPC_MAX_SEND_BYTES": "5"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert list(map(int, done.stdout.split())) == [2**31 - 1, 5, 600]

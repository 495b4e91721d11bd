"""The measurement without C really goes without it."""

import subprocess
import sys

import pytest

from aggregation_pipeline_tests.support.paths import REPOSITORY

CODE = """
import sys
from benchmarks.uncompiled import extract
try:
    extract(address={}, entry={}, folder="")
except Exception:
    pass
print([name for name in sys.modules if name.startswith("aggregation_pipeline.native._") and sys.modules[name]])
"""


@pytest.mark.slow
def test_no_compiled_module_is_loaded():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    sources = {path.stem for path in (REPOSITORY / "aggregation_pipeline" / "native").glob("*.c")}
    assert sources == {"kernels", "rows"}, "name a new one in uncompiled.py too"

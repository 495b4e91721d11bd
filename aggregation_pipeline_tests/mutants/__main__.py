"""`python -m aggregation_pipeline_tests.mutants [module ...]`: change the modules, list the changes that no test notices."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aggregation_pipeline_tests.mutants.chosen import CHOSEN
from aggregation_pipeline_tests.mutants.forks import Forks

_TESTS = Path(__file__).resolve().parents[1]


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in CHOSEN]
    if unknown:
        print(f"No tests are chosen for {', '.join(unknown)}; there are {', '.join(CHOSEN)}", file=sys.stderr)
        return 2
    if len(names) != 1:
        # Each with a pytest of its own.
        codes = [subprocess.run([sys.executable, "-m", __package__, name], check=False).returncode for name in names or CHOSEN]
        return max(codes)
    # The same examples in each child.
    os.environ["CI"] = "true"
    paths = [str(_TESTS / path) for path in CHOSEN[names[0]]]
    return pytest.main(["-q", "-p", "no:xdist", "-p", "no:cacheprovider", *paths], plugins=[Forks(names[0])])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

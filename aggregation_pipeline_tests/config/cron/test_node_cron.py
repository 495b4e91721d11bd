"""What runs here, runs when node-cron runs it: against the ticks that its versions 3 and 4 gave, in node_cron.json.

After a change of the list: `node node_cron.cjs FOLDER_OF_VERSION_3 FOLDER_OF_VERSION_4 < list.json > node_cron.json`.
"""

import json
import shutil
import subprocess
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest
from dagster._utils.schedules import cron_string_iterator

from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.missing import missing

HERE: Final = Path(__file__).parent
RECORDED: Final = json.loads((HERE / "node_cron.json").read_text())
START: Final = datetime.fromisoformat(RECORDED["start"]).timestamp()
# Node.js runs these, and Dagster cannot or reads them otherwise.
REFUSED_HERE: Final = {
    *("0 0 2 13 * 5", "0 0 2 1-6 * 1", "0 0 2 */2 * 1", "0 0 2 L * 5", "0 0 2 25-31 * 5", "0 0 2 23-29 2 0"),
    *("0 0 2 1-7 * 1#1", "0 2 1-7 * 1", "0 2 1 * MON", "0 2 1-31 * 1", "0 2 */2 * 1"),
    *("0 */90 * * * *", "0 */60 * * * *", "*/10 * * * * *"),
    *("0 0 22-4 * * *", "0 0 22-4/2 * * *", "0 50-10 * * * *", "0 0 0 1 11-2 *", "0 0 9 * * FRI-MON", "0 0 9 * * 5-1"),
    *("0 0 9 * * 0-0", "0 0 9 * * SUN-SUN", "0 0 9 * * 1-1", "0 5-5 * * * *", "0 0 9 * * 1,2#1"),
    *("0 0 9 L-3 * *", "0 0 9 1,L * *", "0 0 9 LW * *", "0 0 9 15W * *"),
}


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: case["cron"])
def test_ticks_are_those_of_node_cron(case: dict[str, Any]):
    third, fourth = case["3"], case["4"]
    try:
        five, note, _ = to_five_fields(case["cron"])
    except ConfigError:
        assert fourth is None or case["cron"] in REFUSED_HERE
        return
    assert case["cron"] not in REFUSED_HERE
    # Node's ticks begin after START, Dagster's with it.
    ours = [f"{tick:%Y-%m-%dT%H:%M}" for tick in islice(cron_string_iterator(START + 60, five, "UTC"), 10)]
    if fourth is not None:
        assert ours[: len(fourth)] == fourth
    assert ("node-cron 3" in (note or "")) == (third is not None and ours[: len(third)] != third)


@pytest.mark.slow
def test_node_cron_still_gives_the_recorded_ticks(tmp_path: Path):
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("node and npm are missing, which run node-cron: apt-get install npm (Debian, Ubuntu)")
    versions = RECORDED["versions"]
    home = REPOSITORY / ".data" / f"node-cron-{'-'.join(versions)}"
    packages = [f"version-{index}@npm:node-cron@{version}" for index, version in enumerate(versions)]
    folders = [home / "node_modules" / f"version-{index}" for index in range(len(versions))]
    if not all((folder / "package.json").is_file() for folder in folders):
        home.mkdir(parents=True, exist_ok=True)
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *packages]
        if subprocess.run(install, cwd=home, check=False).returncode:
            missing(f"npm could not fetch node-cron {' and '.join(versions)}")
    asked = json.dumps([case["cron"] for case in RECORDED["cases"]])
    command: list[str | Path] = [node, HERE / "node_cron.cjs", *folders]
    answered = subprocess.run(command, input=asked, text=True, stdout=subprocess.PIPE, check=True, cwd=tmp_path)
    assert json.loads(answered.stdout) == RECORDED

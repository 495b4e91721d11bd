"""Cron expressions by the meaning of the scheduler that the service has.

What each package makes of them was looked at in its own next runs: node-cron 3.0, cron 1.8 to 4.3, node-schedule 2.1,
croner 8 to 10.
"""

from pathlib import Path

import pytest

from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.node_import.code.sources import open_project
from aggregation_pipeline.node_import.crons import cron_of_node, scheduler_of
from aggregation_pipeline_tests.node_import.projects import written


@pytest.mark.parametrize(
    ("scheduler", "version", "cron", "five"),
    [
        ("node-cron", 3, "0 0 2 1-7 * 1", "0 2 * * 1#1"),
        ("node-cron", 3, "0 10/2,42 * * * *", "10,42 * * * *"),
        ("node-cron", 3, "0 0 */7,23 * * *", f"0 {','.join(map(str, range(24)))} * * *"),
        ("node-cron", 3, "0 0 9 */15,*/10 * *", "0 9 10,20,30 * *"),
        ("node-cron", 4, "0 0 */7,23 * * *", "0 */7,23 * * *"),
        ("cron", 4, "0 0 2 * 1-3/2 1", "0 2 * 1-3/2 1"),
        ("cron", 3, "0 0 2 1 1 *", "0 2 1 1 *"),
        ("cron", 2, "0 0 2 1 0 *", "0 2 1 1 *"),
        ("cron", 2, "0 0 2 1 0-4/2,11,jun *", "0 2 1 1-5/2,12,jun *"),
        ("cron", 2, "0 0 2 1 */3 *", "0 2 1 */3 *"),
        ("node-schedule", 2, "0 0 9 * * 5L", "0 9 * * L5"),
        ("croner", 10, "0 0 9 * * 5L", "0 9 * * L5"),
    ],
)
def test_the_days_and_months_are_those_of_the_scheduler(scheduler: str, version: int, cron: str, five: str):
    assert cron_of_node(cron, scheduler, version).cron == five


@pytest.mark.parametrize("scheduler", ["cron", "node-schedule", "croner"])
@pytest.mark.parametrize("cron", ["0 0 2 1-7 * 1", "0 2 13 * 5", "0 0 2 1-31 * 2"])
def test_days_that_are_either_are_refused_with_what_to_write(scheduler: str, cron: str):
    with pytest.raises(ConfigError, match=rf"write a list of two .*\. {scheduler}, which the service has, runs"):
        cron_of_node(cron, scheduler, 4)


@pytest.mark.parametrize("cron", ["0 0 2 ? * 1", "0 0 9 * * 5L"])
def test_what_croner_reads_in_its_own_way_is_refused(cron: str):
    with pytest.raises(ConfigError, match="croner gives"):
        cron_of_node(cron, "croner", 9)


def test_the_scheduler_is_the_one_that_the_code_loads(tmp_path: Path):
    package = '{"main": "server.js", "dependencies": {"node-cron": "^3.0.0", "cron": "~2.1.0"}}'
    files = {"package.json": package, "server.js": "const { CronJob } = require('cron');"}
    assert scheduler_of(open_project(written(tmp_path, files))) == ("cron", 2)

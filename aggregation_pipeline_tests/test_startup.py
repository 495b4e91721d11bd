"""What is imported when: a process that only knows the tables must not wait for what reads and writes them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.chosen import once

# Prints the packages of others that are loaded beyond Dagster's own, after each step.
STEPS = """
import json, os, sys
import dagster
known = {name.partition(".")[0] for name in sys.modules}
def report():
    found = {name.partition(".")[0] for name in sys.modules} - known - set(sys.stdlib_module_names)
    print(json.dumps(sorted(name for name in found if not name.startswith("_"))))
from aggregation_pipeline import definitions
report()
for config in sys.argv[1:]:
    os.environ["AGGREGATION_CONFIG"] = config
    definitions.defs().get_repository_def()
    report()
"""
IMPORTED = {"aggregation_pipeline"}
LOADED = IMPORTED | {"concurrent_log_handler", "portalocker", "rapidfuzz", "sqlalchemy", "tzdata"}
PLAIN = """
tables:
  users: {group_by: [status], aggregations: [{function: COUNT, alias: n}], select_fields: [id], checks: {unique: id}}
  orders: {partition: {column: created_at, every: day, start: 2026-01-01}}
"""
WITH_EXPRESSIONS = """
tables:
  users: {where: status <> 'draft', select_fields: [id]}
"""


def test_importing_and_loading_the_definitions_loads_little_besides_dagster(tmp_path: Path):
    configs = []
    for name, text in {"plain.yaml": PLAIN, "expressions.yaml": WITH_EXPRESSIONS}.items():
        (tmp_path / name).write_text(text)
        configs.append(str(tmp_path / name))
    environment = os.environ | {
        "AGGREGATION_ENV_FILE": os.devnull,
        "DAGSTER_PG_URL": "postgresql://nobody@127.0.0.1/none",
        "OUTPUT_FORMAT": "all",
        "LOG_DIR": str(tmp_path / "logs"),
        "TEMP_DIR": str(tmp_path / "temp"),
    }
    done = subprocess.run(
        [sys.executable, "-c", STEPS, *configs], env=environment, capture_output=True, text=True, check=True
    )
    imported, plain, with_expressions = (set(json.loads(line)) for line in done.stdout.splitlines())
    assert imported <= IMPORTED
    assert plain <= LOADED
    assert with_expressions <= LOADED | {"sqlglot", "mypy_extensions"}


RUN = """
import sys
from aggregation_pipeline.cli.main import main
try:
    main()
finally:
    print(sorted({"pandas", "oss2", "apprise", "requests"} & set(sys.modules)), file=sys.stderr)
"""


@once
def test_a_run_in_every_format_loads_no_library_that_it_does_not_need(deployment: Deployment, tmp_path: Path):
    deployment.execute("CREATE TABLE people (id INT PRIMARY KEY, name TEXT)", "INSERT INTO people VALUES (1, '张三')")
    deployment.configure("tables: {people: {select_fields: ['*'], checks: {unique: id, values: {id: [1]}}}}")
    (tmp_path / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RUN, "run", "--json"],
        env=deployment.variables(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {file["format"] for file in json.loads(done.stdout)["files"]} == {"json", "csv", "excel", "parquet"}
    assert done.stderr.splitlines()[-1] == "[]"

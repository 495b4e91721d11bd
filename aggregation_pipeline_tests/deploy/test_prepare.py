"""What `prepare` of docker-compose.yml refuses, in a folder that stands for its container."""

import os
import shutil
from pathlib import Path

import pytest

from aggregation_pipeline_tests.deploy.compose import Containers
from aggregation_pipeline_tests.support.paths import REPOSITORY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


@pytest.fixture
def containers(tmp_path: Path) -> Containers:
    made = Containers(tmp_path, tmp_path, {})
    made.make_folders()
    (tmp_path / "project/deploy/compose").mkdir(parents=True)
    shutil.copy(REPOSITORY / "deploy/compose/prepare.sh", tmp_path / "project/deploy/compose")
    script = tmp_path / "project/deploy/compose/prepare.sh"
    script.write_text(made.translate(script.read_text(encoding="utf-8")), encoding="utf-8")
    return made


def test_folders_that_a_run_on_the_machine_has_published_belong_to_the_service(containers: Containers):
    """As after `make demo` by root, which publishes the same tables."""
    exports = containers.folder / "srv/aggregation/exports"
    for window in ("orders/2026-11-20", "users/2026-11-20"):
        (exports / window / "run").mkdir(parents=True)
        (exports / window / "run/orders.csv").touch()
    # A later run of root's, in the folder of a table that is ours already.
    os.chown(exports / "users", 1000, 1000)
    done = containers.run(containers.command("prepare"), "prepare", root=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.stat().st_uid for path in exports.rglob("*")} == {1000}


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("CELERY_BROKER_URL=redis://:p@h/0", "celery_broker_url"),
        ("  export celery_broker_url: redis://:p@h/0", "celery_broker_url"),
        ("CELERY_BROKER_URL_FILE=/run/secrets/mine", "celery_broker_url"),
        ("Dagster_Pg_Url=postgresql://u:p@h/d", "dagster_pg_url"),
    ],
)
def test_a_url_that_the_compose_file_gives_too_is_refused_before_anything_starts(
    containers: Containers, line: str, secret: str
):
    file = containers.folder / "project/.env"
    file.write_text(f"DB_HOST=mysql\n{line}\n", encoding="utf-8")
    refused = containers.run(containers.command("prepare"), "prepare", root=True)
    assert refused.returncode == 1
    assert (
        f"take the line out. The URL of a {'Redis' if 'celery' in secret else 'PostgreSQL'} of your own"
        in refused.stderr
    )
    assert f"goes into secrets/{secret}" in refused.stderr
    assert "p@h" not in refused.stderr
    assert not (containers.folder / "run/secrets/.env").exists()
    # Neither a mark nor an empty value sets it.
    file.write_text(f"# {line}\nCELERY_BROKER_URL=\nMY_CELERY_BROKER_URL=1\n", encoding="utf-8")
    done = containers.run(containers.command("prepare"), "prepare", root=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("folder", "lines", "is_right"),
    [
        # As import-node and init write it, beside docker-compose.yml.
        ("./aggregation_pipeline/config", "AGGREGATION_CONFIG=aggregation.yaml", False),
        ("./config", "AGGREGATION_CONFIG=aggregation.yaml", False),
        ("./config", "  export aggregation_config: './other/aggregation.yaml' # mine", False),
        ("./config", 'AGGREGATION_CONFIG=other.yaml\nAGGREGATION_CONFIG="./config/aggregation.yaml" # mine\r', True),
        ("config/", "AGGREGATION_CONFIG=config/aggregation.yaml", True),
        ("/etc/tables", "AGGREGATION_CONFIG=/etc/tables/aggregation.yaml", True),
        (".", "AGGREGATION_CONFIG=aggregation.yaml", True),
        (
            "./config",
            "# AGGREGATION_CONFIG=aggregation.yaml\nAGGREGATION_CONFIG= # none\nAGGREGATION_CONFIG_DIR=./config",
            True,
        ),
    ],
)
def test_a_file_of_tables_that_the_services_would_not_read_is_refused(
    containers: Containers, folder: str, lines: str, is_right: bool
):
    """The sample's tables would be published instead, which have the names of everybody's."""
    (containers.folder / "project/.env").write_text(f"DB_HOST=mysql\n{lines}\n", encoding="utf-8")
    *command, default = containers.command("prepare")
    assert default == "./aggregation_pipeline/config"
    done = containers.run([*command, folder], "prepare", root=True)
    assert (done.returncode, done.stderr == "") == (0 if is_right else 1, is_right), done.stderr
    assert is_right or "AGGREGATION_CONFIG_DIR=./config" in done.stderr

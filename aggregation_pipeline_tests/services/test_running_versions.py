"""Services say which versions they run, and `check` compares them with what is installed."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from aggregation_pipeline.services.end_with_supervisor import command_that_ends, supervisor_lifeline
from aggregation_pipeline.services.private_folder import claim_path, private_folder
from aggregation_pipeline.services.running_versions import (
    RunningService,
    installed_versions,
    note_versions,
    running_services,
)
from aggregation_pipeline.services.service import Service
from aggregation_pipeline.tempfiles.owner_lock import claim
from aggregation_pipeline_tests.support.waiting import until


@pytest.fixture
def claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IO[bytes]]:
    """The claim of a service called daemon, which this process holds. No other folder of services is seen."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("aggregation_pipeline.services.private_folder._SHORT_BASE", tmp_path)
    folder = tmp_path / "aggregation-services-1"
    folder.mkdir()
    held = claim(Path(f"{claim_path(folder, 'daemon')}.{os.getpid()}"))
    assert held is not None
    with held:
        yield held


def test_a_service_notes_what_it_was_started_with(claimed: IO[bytes], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DAGSTER_HOME", "/srv/dagster")
    note_versions(claimed)
    assert running_services(Path("/srv/dagster")) == [RunningService("daemon", os.getpid(), installed_versions())]
    assert installed_versions().keys() >= {"aggregation-pipeline", "dagster"}
    assert running_services(Path("/srv/another")) == []


@pytest.mark.parametrize(
    "content", ["", "[", "[]", '{"versions": []}', json.dumps({"versions": 1, "home": "/srv"}), "{}"]
)
def test_a_claim_that_says_something_else_is_left_out(content: str, claimed: IO[bytes]):
    claimed.write(content.encode())
    claimed.flush()
    assert running_services(Path("/srv")) == []


def test_a_real_service_is_found_until_it_ends(tmp_path: Path):
    (tmp_path / "waits.py").write_text("import sys; sys.stdin.read(); import time; time.sleep(60)")
    said: list[Any] = []
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(tmp_path),
        "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}",
    }
    with private_folder(said.append, grace=1, patient="none") as folder, supervisor_lifeline() as lifeline:
        command = command_that_ends(claim_path(folder, "web process"), 1, ["waits"])
        service = Service("web process", command, environment, tmp_path, said.append, stdin=lifeline)
        service.start()
        try:
            (found,) = until("the service", lambda: running_services(tmp_path), 60)
            assert (found.name, found.versions) == ("web process", installed_versions())
        finally:
            assert service.process is not None
            service.process.kill()
            service.process.wait()
        assert running_services(tmp_path) == []

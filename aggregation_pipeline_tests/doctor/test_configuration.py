"""What `check` says of the variables, before any server is asked."""

from pathlib import Path

import pytest

from aggregation_pipeline.doctor.configuration import examine_configuration
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.settings.base import load_settings


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("TZ=America/New_York\nPORT=8080\n", {"TZ", "PORT"}),
        ("TZ=America/New_York\nTIMEZONE=Asia/Shanghai\nPORT=\n", set()),
        ("TZ=:Asia/Shanghai\nPORT=3000\n", set()),
    ],
)
def test_a_zone_and_a_port_of_the_node_service_that_have_no_effect_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, named: set[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGGREGATION_ENV_FILE", str(tmp_path / ".env"))
    # That of the machine says nothing of the old service.
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.delenv("TIMEZONE", raising=False)
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    found = {each.name: each for each in examine_configuration(Case(load_settings(), None))}
    assert {name for name in ("TZ", "PORT") if name in found and found[name].status == "warning"} == named
    assert not named or "Asia/Shanghai" in found["TZ"].text

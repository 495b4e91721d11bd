"""The code server's name, and when its watch loads the code again. live/test_services.py tests the whole."""

from pathlib import Path

import pytest
import yaml

from aggregation_pipeline.services import code_server, loaded_config_digests
from aggregation_pipeline.services.changed_config import ChangedConfig
from aggregation_pipeline.services.code_server import Watch
from aggregation_pipeline_tests.support.paths import REPOSITORY


def test_the_code_is_loaded_once_for_each_change_of_a_file_even_if_the_load_fails_before_it_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config, record = tmp_path / "aggregation.yaml", tmp_path / "loading.json"
    said: list[str] = []
    # There is no code server, so no load writes its record.
    changed = ChangedConfig(record, code_server.DEFINITIONS, {}, tmp_path, said.append)
    watch = Watch(tmp_path / "code.sock", record, changed, said.append)
    watch._load_if_changed(0)
    assert not said, "no load has written a record"
    config.write_text("tables: [", encoding="utf-8")
    monkeypatch.setenv(loaded_config_digests.VARIABLE, str(record))
    loaded_config_digests.write_record(tmp_path / ".env", config)
    watch._load_if_changed(0)
    assert not said
    for text in ("tables: {", "tables: {}"):
        config.write_text(text, encoding="utf-8")
        watch._load_if_changed(0)
        watch._load_if_changed(0)
    (tmp_path / ".env").touch()
    watch._load_if_changed(0)
    words = "The code could not be loaded, and {} has changed since: the code server loads its code again"
    assert said == [words.format(each) for each in (config, config, f"{tmp_path / '.env'}, {config}")]


def test_the_code_location_is_called_as_the_shipped_workspace_calls_it():
    shipped = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text(encoding="utf-8"))["load_from"][0][
        "python_module"
    ]
    assert shipped == {"module_name": code_server.MODULE, "location_name": code_server.LOCATION}

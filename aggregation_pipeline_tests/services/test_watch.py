"""When the code is loaded again because a file has changed: what is done each time is in live/test_services.py."""

from pathlib import Path

import pytest

from aggregation_pipeline.services import load_record
from aggregation_pipeline.services.code_server import Watch


def test_a_file_is_loaded_once_for_each_change_whether_or_not_the_load_comes_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config, place = tmp_path / "aggregation.yaml", tmp_path / "loading.json"
    said: list[str] = []
    # Nobody listens there: no load writes its note.
    watch = Watch(tmp_path / "code.sock", place, said.append)
    watch._load_if_changed(0)
    assert not said, "nothing is known of a load"
    config.write_text("tables: [", encoding="utf-8")
    monkeypatch.setenv(load_record.VARIABLE, str(place))
    load_record.note(tmp_path / ".env", config)
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

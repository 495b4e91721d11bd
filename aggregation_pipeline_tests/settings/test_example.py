"""The example that people copy: every line of it is one, commented out or not."""

import re
from pathlib import Path

from aggregation_pipeline.config.sources import split_variable
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.env_file import parse_env_file, read_env_file
from aggregation_pipeline_tests.support.paths import REPOSITORY

EXAMPLE = REPOSITORY / ".env.example"


def test_every_variable_of_the_example_is_one_of_ours_and_is_read(tmp_path: Path):
    text = read_env_file(EXAMPLE)
    everything = re.sub(r"(?m)^# (?=[A-Z_]+=)", "", text)
    values = parse_env_file(everything, EXAMPLE)
    assert values.keys() >= parse_env_file(text, EXAMPLE).keys() | {"DB_SSL_MODE", "DB_SSL_CA", "MASK_SALT"}
    ours = {name for name in values if not split_variable(name)}
    assert {name.lower() for name in ours} <= Settings.model_fields.keys()
    assert {split_variable(name) for name in values.keys() - ours} >= {("crm", "host"), ("crm", "password")}
    assert values["CRON_SCHEDULE"] == "0 0 2 * * *"


def test_both_languages_name_every_variable_of_the_source():
    for name in ("docs/configuration.md", "docs/configuration.zh-CN.md"):
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        assert [
            field.upper()
            for field in Settings.model_fields
            if field.startswith("db_") and f"`{field.upper()}`" not in text
        ] == []

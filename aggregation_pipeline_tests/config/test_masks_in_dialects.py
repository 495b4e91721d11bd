"""What the masks of a file hide where its source is PostgreSQL: names and system tables are those of its dialect."""

from pathlib import Path

import pytest

from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline.errors import ConfigError

CONFIG = """
sources: {{crm: {{kind: postgresql}}}}
tables:
  users: {{source: crm, select_fields: [id, '"Phone"'], mask: {{Phone: partial}}}}
  other: {{source: crm, table: users, select_fields: [{{expr: {sql}, alias: shown}}]}}
"""


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ('"Phone"', "shows Phone"),
        ("\"Phone\" || 'x'", "shows Phone"),
        ("(SELECT max(most_common_vals::text) FROM pg_stats)", "pg_stats can hold values of masked columns"),
        ("(SELECT max(query) FROM pg_catalog.pg_stat_activity)", "pg_stat_activity can hold values of masked columns"),
    ],
)
def test_a_masked_column_is_not_shown_by_another_spelling_or_by_statistics(tmp_path: Path, sql: str, message: str):
    path = tmp_path / "aggregation.yaml"
    quoted = "'" + sql.replace("'", "''") + "'"
    path.write_text(CONFIG.format(sql=quoted), "utf-8")
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_the_same_text_is_a_literal_of_mysql(tmp_path: Path):
    path = tmp_path / "aggregation.yaml"
    path.write_text(CONFIG.format(sql="'\"Phone\"'").replace("kind: postgresql", "host: db"), "utf-8")
    with pytest.raises(ConfigError, match=r"tables\.users\.mask"):
        load_config(path)

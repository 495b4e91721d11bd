"""The draft's .env: what a person wrote stays, and what is missing comes to it."""

from pathlib import Path

from aggregation_pipeline.drafting.env import other_address, read_env, with_variables
from aggregation_pipeline.settings.env_file import parse_env_file

VALUES = {
    "DB_HOST": "db",
    "DB_PORT": "3306",
    "DB_USER": "u",
    "DB_PASSWORD": "p@ss #1'",
    "DB_NAME": "库",
    "TIMEZONE": "UTC",
}


def test_a_new_file_reads_back_as_it_was_meant():
    text = with_variables("", {}, VALUES, needs_postgres=True)
    assert parse_env_file(text, Path(".env")) == VALUES
    assert "# DAGSTER_PG_URL=" in text
    assert "DAGSTER_PG_URL" not in with_variables("", {}, VALUES, needs_postgres=False)


def test_lines_stay_and_a_database_that_is_named_is_not_named_twice():
    text = "# mine\r\nDB_HOST=other\r\nTIMEZONE=Asia/Shanghai"
    there = parse_env_file(text, Path(".env"))
    result = with_variables(text, there, {**VALUES, "MASK_SALT": "x" * 64}, needs_postgres=True)
    assert result.startswith(text)
    assert parse_env_file(result, Path(".env")) == {**there, "DB_PASSWORD": "p@ss #1'", "MASK_SALT": "x" * 64}
    assert result.count("\r\n") == result.count("\n")
    assert other_address(there, VALUES) == ["DB_HOST", "DB_USER", "DB_NAME"]


def test_nothing_missing_leaves_the_file_as_it_is(tmp_path: Path):
    path = tmp_path / ".env"
    path.write_text(with_variables("", {}, VALUES, needs_postgres=True), encoding="utf-8")
    text, there = read_env(path)
    assert with_variables(text, there, VALUES, needs_postgres=True) == text
    assert read_env(tmp_path / "none") == ("", {})

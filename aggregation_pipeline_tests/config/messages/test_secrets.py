"""No message about aggregation.yaml repeats a password that was written into it, wherever that stands."""

from pathlib import Path

import pytest

from aggregation_pipeline.config.loading import load_config, load_usable_config
from aggregation_pipeline.config.messages.secrets import shown_text, without_secrets
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.config_file import find_issues, write_config

TABLES = "\ntables: {a: {}}\n"
URL = "mysql://reader:S3cr3t@db/shop"
ACCOUNT = "reader:S3cr3t@db"
BODIES = [
    "sources: {s: 'TEXT'}",
    "sources: {s: {TEXT}}",
    "sources: {'TEXT': {}}",
    "sources: {s: !TEXT x}",
    "sources: {s: {<<: 'TEXT'}}",
    "sources: {s: f(TEXT, x)}",
    "sources:\n  s: TEXT : x",
    "sources: {s: *TEXT }",
    "sources: {s: {port: 'TEXT', timezone: 'TEXT', ssl_mode: 'TEXT', 'TEXT': 1}}",
    "sources: {s: {host: 'TEXT'}}",
    "tables: 'TEXT'",
    "tables: {'TEXT': 1}",
    "tables: {'TEXT': {limit: x}}",
    "tables: {a: {source: 'TEXT', tags: {x: 'TEXT'}, formats: 'TEXT', schedule: 'TEXT', checks: {'TEXT': 1}}}",
    "tables: {a: {where: 'TEXT', select_fields: ['TEXT'], aggregations: ['TEXT'], options: {file_names: 'TEXT{'}}}",
    "'TEXT'",
]


def reports(folder: Path, text: str) -> str:
    """All that is said of the file: where one issue refuses it, and where other entries stay usable."""
    path = write_config(folder, text if "tables" in text else text + TABLES)
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    try:
        config, left_out = load_usable_config(path)
    except ConfigError as error:
        return f"{refused.value}\n{error}"
    return "\n".join([str(refused.value), *left_out.values(), *(entry.issues or "" for entry in config.tables)])


@pytest.mark.parametrize(
    "secret", [URL, ACCOUNT, "mysql://reader:S3cr3t/S3cr3t@S3cr3t@db", f"x?password=S3cr3t&{'y' * 60}"]
)
@pytest.mark.parametrize("body", BODIES)
def test_no_message_repeats_a_password(tmp_path: Path, body: str, secret: str):
    assert "S3cr3t" not in reports(tmp_path, body.replace("TEXT", secret))


@pytest.mark.parametrize(
    "body",
    [
        "sources: {db_password: S3cr3t}",
        "sources: {'password: S3cr3t': {}}",
        "sources:\n  s:\n    password: *S3cr3t",
        "sources:\n  s:\n    'pwd': *S3cr3t",
        "sources:\n  s:\n    password: !S3cr3t x",
        "sources:\n  s:\n    password: {<<: S3cr3t}",
        "sources:\n  s:\n    password:\n      S3cr3t: x: y",
        "sources: {s: {passwrd: f(S3cr3t, x)}}",
        "sources: {s: {host: {password: S3cr3t}}}",
        "sources: {s: {user: 'mysql://reader:S3cr3t@db', database: 'mysql://reader:S3cr3t@db'}}",
        "tables: {token: S3cr3t}",
        "tables: {a: {table: 'mysql://reader:S3cr3t@db'}}",
        "tables: {a: {tags: {password: 'S3cr3t!'}}}",
        "tables: {a: {mask: {password: S3cr3t}}}",
        f"sources: {{s: 'mysql://{'reader' * 9}:{'S3cr3t' * 9}@db'}}",
        "sources: {s: 'reader:my S3cr3t word@db'}",
    ],
)
def test_what_stands_below_a_key_called_like_a_password_is_not_repeated(tmp_path: Path, body: str):
    assert "S3cr3t" not in reports(tmp_path, body)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sources: {s: 'mysql://reader:S3cr3t@db/shop'}", 'found the text "mysql://***@db/shop"'),
        ("sources: {'mysql://reader:S3cr3t@db/shop': {}}", "sources.'mysql://***@db/shop': a source is called by"),
        ("tables: {tokens: {limit: abc}}", 'found the text "abc"'),
        ("tables: {a: {mask: {password: hsh}}}", "found a text. Was hash meant?"),
    ],
)
def test_the_rest_of_the_message_stays(tmp_path: Path, text: str, words: str):
    (found,) = find_issues(tmp_path, text if "tables" in text else text + TABLES)
    assert words in found


@pytest.mark.parametrize(
    "text", ["http://host:8080/path", "compass = 5", "0 2 * * *", "2026-01-01T06:00:00", "mail = 'a@b.c'", "v1: x"]
)
def test_what_holds_no_password_is_repeated_as_it_is(text: str):
    assert shown_text(text) == without_secrets(text) == text


@pytest.mark.parametrize("part", ["a", "a:", "://", "@", "password ", "passw", "-"])
def test_long_texts_are_looked_through_in_their_length_alone(part: str):
    text = part * 10_000
    assert len(shown_text(text)) <= 1000
    assert without_secrets(text)

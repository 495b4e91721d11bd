"""Databases by name in aggregation.yaml: names, keys, limits, masks, and what is said of a wrong one."""

from pathlib import Path

import pytest

from aggregation_pipeline.config.loading import load_config, load_usable_config
from aggregation_pipeline.config.sources import split_variable
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.config_file import find_issues, load_text, write_config

TABLES = "tables:\n  a: {}\n"


def test_case_and_hyphens_make_no_other_source(tmp_path: Path):
    config = load_text(tmp_path, "sources: {CRM-eu: {host: db}}\ntables:\n  a: {source: crm_EU}\n")
    assert list(config.sources) == ["crm_eu"]
    assert config.tables[0].source == "crm_eu"


def test_limits_of_a_source_lie_between_those_of_the_project_and_of_the_entry(tmp_path: Path):
    config = load_text(
        tmp_path,
        """
        source_limits: {timeout_seconds: 1, max_rows: 2, lock_wait_seconds: 3}
        sources: {shop: {source_limits: {timeout_seconds: 10, max_rows: 20}}}
        tables:
          a: {source: shop, source_limits: {timeout_seconds: 100}}
          b: {}
        """,
    )
    a, b = (entry.source_limits for entry in config.tables)
    assert (a.timeout_seconds, a.max_rows, a.lock_wait_seconds) == (100, 20, 3)
    assert (b.timeout_seconds, b.max_rows, b.lock_wait_seconds) == (1, 2, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sources: {shop: {password: S3cr3t}}", "sources.shop.password: no password belongs in this file: set the"),
        ("sources: {shop-eu: {pwd: S3cr3t}}", "set the variable DB_SHOP_EU_PASSWORD, or DB_SHOP_EU_PASSWORD_FILE"),
        ("sources: {shop: {host: 'mysql://u:S3cr3t@db'}}", "sources.shop.host: a host's name or address alone"),
        ("sources: {shop: {host: 'u:S3cr3t@db'}}", "the user goes into user, the password into a variable"),
        ("sources: {shop: {host: 'db:3307'}}", "the port goes into port: write host=db and port=3307"),
        ("sources: {订单: {}}", "a source is called by a letter and letters A to Z, digits, - or _ after it"),
        ("sources: {1shop: {}}", "sources.1shop: a source is called by a letter"),
        ("sources: {ssl: {}}", "a source cannot be called ssl: DB_SSL_... are variables of the database without"),
        ("sources: {Port: {}}", "a source cannot be called Port"),
        ("sources: {crm-eu: {}, CRM_EU: {}}", "sources.CRM_EU: this is the same source as crm-eu; keep one"),
        ("sources: {shop: {prot: 3307}}", "unknown key. Was port meant?"),
        ("sources: {shop: {ssl_mode: verify}}", "one of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY"),
        ("sources: {shop: {timezone: CST}}", "sources.shop.timezone: an IANA time zone"),
        ("sources: [shop]", "sources: a mapping of keys to values is expected"),
        ("source: shop", "the key source belongs to an entry, under tables"),
    ],
)
def test_what_is_wrong_with_a_source_is_said_without_its_secrets(tmp_path: Path, text: str, words: str):
    (found,) = find_issues(tmp_path, f"{text}\n{TABLES}")
    assert found.startswith("1:")
    assert words in found
    assert "S3cr3t" not in found


def test_an_unknown_source_is_answered_with_the_nearest_one(tmp_path: Path):
    path = write_config(tmp_path, "sources: {shop: {}}\ntables:\n  a: {source: shpo}\n  b: {source: crm}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, ["crm"])
    assert str(caught.value).endswith(
        ":3:7: tables.a.source: no source is called shpo: write it under sources, or set DB_SHPO_HOST and the rest of"
        " its variables; there are crm, shop. Was shop meant?"
    )
    assert load_usable_config(path, sources=["crm", "shpo"])[0].tables[0].source == "shpo"


MASKED = "  users: {source: shop, select_fields: [id, phone], mask: {phone: drop}}\n"


@pytest.mark.parametrize("entry", ["{source: crm, table: users, select_fields: [phone]}", "{table: users}"])
def test_a_mask_says_nothing_of_a_table_of_another_source(tmp_path: Path, entry: str):
    config = load_text(tmp_path, f"sources: {{shop: {{}}, crm: {{}}}}\ntables:\n{MASKED}  others: {entry}\n")
    assert [bool(each.all_masked) for each in config.tables] == [True, False]


def test_a_mask_holds_in_all_entries_of_its_source(tmp_path: Path):
    text = f"sources: {{shop: {{}}}}\ntables:\n{MASKED}  others: {{source: SHOP, table: users, group_by: [phone]}}\n"
    (found,) = find_issues(tmp_path, text)
    assert "tables.others.group_by[0]: the output phone shows phone, which the entry users masks" in found


def usable(folder: Path, tables: str) -> set[str]:
    path = write_config(folder, f"sources: {{shop: {{}}, crm: {{}}}}\ntables:\n{tables}")
    config, _ = load_usable_config(path)
    return {entry.name for entry in config.tables if not entry.issues}


@pytest.mark.parametrize(
    ("entry", "used"),
    [
        # What it masks is known, and of which source.
        ("{source: shop, limt: 1, select_fields: [id, phone], mask: {phone: drop}}", {"crm"}),
        # What it masks is not known; nor, in the next two, of which source.
        ("{source: shpo, select_fields: [id, phone], mask: {phone: drop}}", set()),
        ("{sorce: crm, select_fields: [id, phone], mask: {phone: drop}}", set()),
    ],
)
def test_beside_an_entry_with_mistakes_others_are_used_where_it_cannot_mask_them(
    tmp_path: Path, entry: str, used: set[str]
):
    readers = "".join(
        f"  {name}: {{source: {name}, table: users, select_fields: [id, phone]}}\n" for name in ("shop", "crm")
    )
    assert usable(tmp_path, f"  users: {entry}\n{readers}") == used


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("DB_SHOP_HOST", ("shop", "host")),
        ("DB_SHOP_NAME", ("shop", "database")),
        ("DB_SHOP_SSL_CA", ("shop", "ssl_ca")),
        ("DB_CRM_EU_PASSWORD", ("crm_eu", "password")),
        ("DB_SHOP_USER_NAME", ("shop_user", "database")),
        *((name, None) for name in ("DB_HOST", "DB_SSL_CA", "DB_SSL_HOST", "DB_USER_NAME", "DB_PORT", "DB__HOST")),
        *((name, None) for name in ("DB_SHOP_HSOT", "DB_NAME_HOST", "DB_1_HOST", "XDB_SHOP_HOST", "DB_POOL_SIZE")),
    ],
)
def test_a_variable_tells_source_and_key(variable: str, expected: tuple[str, str] | None):
    assert split_variable(variable) == expected

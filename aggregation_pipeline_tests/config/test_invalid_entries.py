"""Invalid entries: valid ones stay usable, and nothing about invalid ones is guessed."""

from pathlib import Path

import pytest

from aggregation_pipeline.config.loading import load_config, load_usable_config
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.config_file import write_config

GOOD = "  orders: {select_fields: [id, created_at]}\n"


def load_usable(folder: Path, text: str) -> tuple[dict[str, TableEntry], dict[str, str]]:
    path = write_config(folder, text)
    with pytest.raises(ConfigError):
        load_config(path)
    config, left_out = load_usable_config(path)
    return {entry.name: entry for entry in config.tables}, left_out


def invalid(entries: dict[str, TableEntry]) -> set[str]:
    return {name for name, entry in entries.items() if entry.issues}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{limt: 3}", "tables.users.limt: unknown key"),
        ("{schedule: 99 * * * *}", "tables.users.schedule"),
        ("{timezone: Mars/Base}", "tables.users.timezone"),
        ("{where: id >}", "tables.users.where"),
        ("{formats: [pdf]}", "tables.users.formats"),
        ("{partition: {column: created_at, every: fortnight, start: 2026-01-01}}", "tables.users.partition.every"),
        ("{limit: 1, limit: 2}", "tables.users.limit: the key is there twice"),
        ("{limit: !!python/none 1}", "tables.users.limit: tags such as"),
        ("[id]", "tables.users: a mapping"),
        ("{mask: {phone: hsh}, select_fields: [phone]}", "tables.users.mask.phone"),
        ("{name: x}", "tables.users.name: unknown key"),
    ],
)
def test_an_issue_in_one_entry_leaves_the_others(tmp_path: Path, entry: str, words: str):
    entries, left_out = load_usable(tmp_path, f"tables:\n  users: {entry}\n{GOOD}")
    assert (list(entries), invalid(entries), left_out) == (["users", "orders"], {"users"}, {})
    report = entries["users"].issues or ""
    assert report.startswith("tables.users in aggregation.yaml cannot be used, 1 issue:\n")
    assert words in report
    assert f"{tmp_path / 'aggregation.yaml'}:2:" in report


def test_what_names_and_shows_its_assets_stays_and_nothing_of_what_it_computes(tmp_path: Path):
    entries, _ = load_usable(
        tmp_path,
        """
        tables:
          users:
            table: shop.people
            platform: weibo
            owners: [team:data]
            formats: [csv, excel]
            partition: {column: created_at, every: day, start: 2026-01-01}
            select_fields: ['*']
            schedule: 0 3 * * *
            maks: {phone: hash}
        """,
    )
    entry = entries["users"]
    assert (entry.table, entry.platform, entry.owners, entry.formats) == (
        "shop.people",
        "weibo",
        ("team:data",),
        ("csv", "excel"),
    )
    assert entry.partition is not None
    assert entry.partition.every == "day"
    assert (entry.select_fields, entry.schedule, entry.mask) == ((), None, {})


def test_what_cannot_be_read_of_its_shape_is_said(tmp_path: Path):
    entries, _ = load_usable(tmp_path, f"tables:\n  users: {{formats: [pdf], partition: {{every: day}}}}\n{GOOD}")
    assert "Until this is corrected, its assets are shown without formats and partition." in (
        entries["users"].issues or ""
    )


@pytest.mark.parametrize(
    "text",
    [
        f"optoins: {{}}\ntables:\n{GOOD}  users: {{limt: 3}}\n",
        f"options: {{csv: {{delimiter: ';;'}}}}\ntables:\n{GOOD}  users: {{limt: 3}}\n",
        f"tables:\n{GOOD}tableConfigs: {{}}\n",
        "tables: [users]\n",
        "tables:\n  users: {a: [}\n",
        f"tables:\n{GOOD}  users: {{table: {{people: 1}}, select_fields: [phone], mask: {{phone: hash}}}}\n",
        f"tables:\n{GOOD}  ' users': {{select_fields: [phone], mask: {{phone: hash}}}}\n",
        "tables:\n  users: &a\n    tags: *a\n",
    ],
)
def test_issues_outside_of_the_entries_refuse_the_file(tmp_path: Path, text: str):
    path = write_config(tmp_path, text)
    with pytest.raises(ConfigError):
        load_usable_config(path)


def test_an_entry_that_does_not_go_with_the_projects_options_is_one_of_its_own(tmp_path: Path):
    text = f"options: {{csv: {{delimiter: ','}}}}\ntables:\n{GOOD}  users: {{options: {{csv: {{quote: ','}}}}}}\n"
    path = write_config(tmp_path, text)
    try:
        load_config(path)
    except ConfigError:
        entries, _ = load_usable(tmp_path, text)
        assert invalid(entries) == {"users"}


def test_names_that_nothing_can_have_are_left_out_and_reported(tmp_path: Path):
    entries, left_out = load_usable(tmp_path, f"tables:\n  ' users': {{}}\n{GOOD}")
    assert list(entries) == ["orders"]
    assert "the name of an entry is printable" in left_out[" users"]


def test_of_two_names_that_differ_in_case_the_second_cannot_be_used(tmp_path: Path):
    entries, _ = load_usable(tmp_path, f"tables:\n{GOOD}  Orders: {{}}\n")
    assert invalid(entries) == {"Orders"}


def test_totals_of_the_project_may_be_of_columns_that_only_an_invalid_entry_has(tmp_path: Path):
    entries, _ = load_usable(
        tmp_path,
        f"options: {{excel: {{totals: [amount]}}}}\ntables:\n{GOOD}  users: {{select_fields: [amount], limt: 3}}\n",
    )
    assert invalid(entries) == {"users"}


MASKED = "  users: {{select_fields: [id, phone], mask: {{phone: hash}}, {issue}}}\n"
SHOWING = "  others: {table: users, select_fields: [id, phone]}\n"
NESTED = "  nested: {table: orders, aggregations: [{expr: (SELECT MAX(phone) FROM users), alias: m}]}\n"
APART = "  apart: {table: products}\n"


def test_what_an_entry_with_mistakes_hides_stays_hidden_in_the_others(tmp_path: Path):
    entries, _ = load_usable(
        tmp_path,
        f"tables:\n{MASKED.format(issue='limit: x')}{SHOWING}{NESTED}{APART}  same: {{table: users, select_fields:"
        " [id]}\n",
    )
    assert invalid(entries) == {"users", "others", "nested"}
    assert "which the entry users masks" in (entries["others"].issues or "")


@pytest.mark.parametrize(
    "entry",
    [
        "{select_fields: [id, phone], maks: {phone: hash}}",
        "{select_fields: [id, phone], msk: [phone]}",
        "{select_fields: [id, phone], mask: {phone: hsh}}",
        "{select_fields: [id, phone, ')'], mask: {phone: hash}}",
        "[phone]",
        "{select_fields: [id, phone], mask: {phone: hash}, mask: {id: hash}}",
    ],
)
def test_where_it_cannot_be_told_what_an_entry_hides_nothing_of_its_table_is_shown(tmp_path: Path, entry: str):
    entries, _ = load_usable(tmp_path, f"tables:\n  users: {entry}\n{SHOWING}{NESTED}{APART}{GOOD}")
    assert invalid(entries) == {"users", "others", "nested"}
    report = entries["others"].issues or ""
    assert (
        "of which the entry users may hide columns, and that entry cannot be used: correct that one first" in report
        or "users masks" in report
    )


MAY_MASK = {
    "a capital": "users: {selectFields: [id, phone], Mask: {phone: hash}}",
    "another word": "users: {selectFields: [id, phone], mark: {phone: hash}}",
    "a word that we do not know": "users: {selectFields: [id, phone], hide: phone}",
    "Chinese": "users: {selectFields: [id, phone], 脱敏: [phone]}",
    "a rule": "users: {selectFields: [id, phone], limit: hash}",
    "under another key": "users: {selectFields: [id, phone], options: {mask: {phone: hash}}}",
    "deep under another key": "users: {selectFields: [id, phone], options: {csv: {mask: [phone]}}}",
    "under a key in a list": "users: {selectFields: [id, phone], checks: [{min_rows: 1, mask: {phone: hash}}]}",
    "beside the field": "users: {selectFields: [id, {expr: phone, alias: phone, mask: hash}]}",
    "beside the field by another word": "users: {selectFields: [id, {expr: phone, alias: phone, rule: secret}]}",
    "in a text": "users: {selectFields: [id, 'phone mask: hash']}",
    "in what YAML cannot read": "users: {selectFields: [id, phone], limit: 3, limit: [phone]}",
    "a list": "users: {selectFields: [id, phone], mask: [phone]}",
    "a bad name": "'a b/../c ': {table: users, select_fields: [id, phone], mask: {phone: hash}}",
    "a misspelt table": "people: {tabel: users, select_fields: [id, phone], mask: {phone: hash}}",
    "another word for the table": "people: {source: shop.users, select_fields: [id, phone], mask: {phone: hash}}",
    "a table under another key": "people: {options: {table: users}, select_fields: [id, phone], mask: {phone: hash}}",
    "a table and a mask under another key": (
        "people: {options: {table: users, mask: {phone: hash}}, select_fields: [id, phone]}"
    ),
    "all of it under another key": "people: {spec: {table: users, select_fields: [id, phone], mask: {phone: hash}}}",
}


@pytest.mark.parametrize("entry", MAY_MASK.values(), ids=MAY_MASK.keys())
def test_wherever_a_mask_may_be_meant_nothing_of_its_table_is_shown(tmp_path: Path, entry: str):
    entries, left_out = load_usable(tmp_path, f"tables:\n  {entry}\n{SHOWING}{NESTED}{APART}{GOOD}")
    assert {"others", "nested"} <= invalid(entries)
    assert not {"apart", "orders"} & invalid(entries)
    report = entries["others"].issues or ""
    assert "may hide columns, and that entry cannot be used: correct that one first" in report
    assert len(invalid(entries) | left_out.keys()) == 3


ANY_TABLE = {
    "a mask beside the entries": "  users: {select_fields: [id, phone]}\n  mask: {phone: hash}\n",
    "masks beside the entries": "  users: {select_fields: [id, phone]}\n  Masks: {users: {phone: hash}}\n",
    "a mask without a name that is one": "  ' users': {select_fields: [phone], mask: {phone: hash}}\n",
    "a table twice": "  people: {table: users, table: a, select_fields: [phone], mask: {phone: hash}}\n",
    "a table that is none": "  people: {table: a.b.users, select_fields: [phone], mask: {phone: hash}}\n",
}


@pytest.mark.parametrize("entries", ANY_TABLE.values(), ids=ANY_TABLE.keys())
def test_where_it_cannot_be_told_which_table_is_masked_none_is_used(tmp_path: Path, entries: str):
    path = write_config(tmp_path, f"tables:\n{entries}{GOOD}")
    with pytest.raises(ConfigError, match="may hide columns of any table, so none can be used before it is corrected"):
        load_usable_config(path)


@pytest.mark.parametrize(
    "entry",
    [
        "{selct: [id]}",
        "{select_fields: [id, {expr: email, alais: mail}]}",
        "{agregations: [{function: MAX, field: id}]}",
        "{select_fields: [id], partition: {colum: created_at, every: day}}",
        "{select_fields: [id], checks: [{not_nul: [id]}]}",
        "{select_fields: [id], checks: {min_row: 1}}",
        "{select_fields: [id], descripton: of all users}",
        "{options: {csv: {delimeter: ';'}}}",
        "{aggregations: [{function: MAX, field: id}, {expr: MAX(id}]}",
    ],
)
def test_a_misspelt_key_that_is_near_another_than_mask_leaves_others_of_the_same_table(tmp_path: Path, entry: str):
    entries, _ = load_usable(tmp_path, f"tables:\n  users: {entry}\n{SHOWING}{NESTED}")
    assert invalid(entries) == {"users"}


@pytest.mark.parametrize(
    "entry", ["{aggregations: [{function: SUMM, field: id}]}", "{limt: 3}", "{select_fields: [id], limit: x}"]
)
def test_an_issue_that_has_nothing_to_do_with_masks_leaves_others_of_the_same_table(tmp_path: Path, entry: str):
    entries, _ = load_usable(tmp_path, f"tables:\n  users: {entry}\n{SHOWING}{NESTED}")
    assert invalid(entries) == {"users"}


def test_limits_of_the_project_hold_for_the_other_entries(tmp_path: Path):
    text = (
        "source_limits: {timeout_seconds: 7}\ntables:\n  users: {limt: 3}\n  orders: {source_limits: {max_rows: 5}}\n"
    )
    entries, _ = load_usable(tmp_path, text)
    limits = entries["orders"].source_limits
    assert (limits.timeout_seconds, limits.max_rows) == (7, 5)

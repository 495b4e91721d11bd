"""Personal data cannot get past its mask by another output, another order or a misspelt name."""

from typing import Any

import pytest
from pydantic import ValidationError

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.settings.base import Settings

DAILY = {"every": "day", "start": "2026-01-01"}


def entry(**keys: Any) -> TableEntry:
    return TableEntry.model_validate({"name": "users", **keys})


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a mask of nothing": (
        {"select_fields": ["id", "email"], "mask": {"emial": "hash"}},
        "emial is no output .* Was email meant",
    ),
    "an expression over it": (
        {"select_fields": ["email", {"expr": "LOWER(email)", "alias": "e"}], "mask": {"email": "hash"}},
        "output e shows email.*{e: keep}",
    ),
    "a sub-select of it": (
        {
            "select_fields": ["email", {"expr": "(SELECT MAX(u.EMAIL) FROM users u)", "alias": "e"}],
            "mask": {"email": "drop"},
        },
        "output e shows email",
    ),
    "its maximum": (
        {
            "aggregations": [{"function": "MAX", "field": "email", "alias": "m"}],
            "select_fields": ["email"],
            "mask": {"email": "hash"},
        },
        "output m shows email",
    ),
    "its values joined": (
        {
            "aggregations": [{"function": "GROUP_CONCAT", "field": "email", "alias": "all_of_them"}],
            "select_fields": ["*"],
            "mask": {"email": "drop"},
        },
        "all_of_them shows email",
    ),
    "an aggregate that joins": (
        {
            "aggregations": [{"expr": "JSON_ARRAYAGG(email)", "alias": "j"}],
            "select_fields": ["email"],
            "mask": {"email": "hash"},
        },
        "output j shows email",
    ),
    "a sum that slides": (
        {
            "select_fields": ["salary", {"expr": "SUM(salary) OVER (PARTITION BY id)", "alias": "s"}],
            "mask": {"salary": "drop"},
        },
        "output s shows salary",
    ),
    "a key of the other dataset": (
        {
            "group_by": [{"expr": "SUBSTR(phone, 1, 7)", "alias": "area"}],
            "select_fields": ["phone"],
            "mask": {"phone": "partial"},
        },
        "area shows phone",
    ),
    "what it is made of": (
        {"select_fields": ["*"], "group_by": [{"expr": "LOWER(email)", "alias": "mail"}], "mask": {"mail": "hash"}},
        r"'\*' shows email",
    ),
    "its order": (
        {"select_fields": ["email"], "order_by": ["email DESC"], "mask": {"email": "hash"}},
        "order_by email DESC would show",
    ),
    "its order by another name": (
        {
            "select_fields": [{"expr": "email", "alias": "mail"}],
            "order_by": ["LENGTH(email)"],
            "mask": {"mail": "hash"},
        },
        "would show the order",
    ),
    "its order by the name of its output": (
        {"select_fields": [{"expr": "email", "alias": "mail"}], "order_by": ["LENGTH(mail)"], "mask": {"mail": "hash"}},
        "would show the order",
    ),
    "its output's name where only that output is kept": (
        {
            "select_fields": ["email", {"expr": "LOWER(email)", "alias": "m"}, {"expr": "(SELECT m)", "alias": "e"}],
            "mask": {"email": "hash", "m": "keep"},
        },
        "output e shows email",
    ),
    "a mask of windows, which have names": (
        {"select_fields": ["id"], "partition": DAILY | {"column": "birthday"}, "mask": {"birthday": "hash"}},
        "birthday is no output",
    ),
    "nothing kept": (
        {"select_fields": ["id"], "partition": DAILY | {"column": "birthday"}, "mask": {"brithday": "keep"}},
        "brithday is no output",
    ),
    "nothing left of the summary": (
        {"group_by": ["email"], "select_fields": ["id"], "mask": {"email": "drop"}},
        "every output of the summary is dropped",
    ),
    "nothing left": ({"select_fields": ["email"], "mask": {"email": "drop"}}, "every output of the detail is dropped"),
    "two masks of one": ({"select_fields": ["*"], "mask": {"email": "drop", "Email": "hash"}}, "differ in case only"),
    "an unknown rule": ({"select_fields": ["email"], "mask": {"email": "encrypt"}}, "partial"),
}


@pytest.mark.parametrize(("keys", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_mask_that_hides_less_than_it_seems_to_is_refused(keys: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        entry(**keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"select_fields": ["id", "email"], "mask": {"EMAIL": "partial"}},
        {"select_fields": ["*"], "mask": {"anything": "drop"}},
        {"select_fields": ["email", {"expr": "LOWER(email)", "alias": "e"}], "mask": {"email": "hash", "e": "hash"}},
        {
            "select_fields": ["email", {"expr": "SUBSTR(email, 3)", "alias": "e"}],
            "mask": {"email": "hash", "e": "keep"},
        },
        {
            "group_by": ["status"],
            "aggregations": [
                {"function": "COUNT DISTINCT", "field": "email", "alias": "people"},
                {"function": "COUNT", "field": "users.email", "alias": "with_mail"},
                {"expr": "COUNT(DISTINCT email, `users`.salary) / COUNT(*)", "alias": "spread"},
                {"function": "AVG", "field": "salary", "alias": "mean"},
                {"function": "SUM", "field": "age", "alias": "years"},
            ],
            "select_fields": ["id", "email", "salary"],
            "mask": {"email": "drop", "salary": "drop", "mean": "keep"},
        },
        {"group_by": ["email"], "aggregations": [{"function": "COUNT", "alias": "n"}], "mask": {"email": "drop"}},
        {"select_fields": ["email", "CURRENT_USER"], "mask": {"email": "hash"}},
        {"select_fields": ["id", "birthday"], "partition": DAILY | {"column": "birthday"}, "mask": {"id": "hash"}},
        {"select_fields": ["id", "email"], "where": "email LIKE '%@x'", "mask": {"email": "hash"}},
        {"select_fields": ["id", "email"], "order_by": ["id"], "mask": {"email": "hash"}},
        {"select_fields": ["email", {"expr": "LOWER(email)", "alias": "e"}], "mask": {"email": "keep"}},
        {"select_fields": ["*"], "group_by": [{"expr": "LOWER(email)", "alias": "e"}], "mask": {"email": "keep"}},
        {"select_fields": ["email", {"expr": "own(email)", "alias": "e"}], "mask": {"email": "keep"}},
        {
            "select_fields": ["email", {"expr": "id + 1", "alias": "n"}, {"expr": "(SELECT n)", "alias": "k"}],
            "mask": {"email": "hash"},
        },
        {
            "select_fields": ["email", {"expr": "id + 1", "alias": "n"}, {"expr": "(SELECT n)", "alias": "k"}],
            "mask": {"email": "hash", "n": "keep"},
        },
        {
            "select_fields": [
                "email",
                {"expr": "EXISTS(SELECT * FROM orders o WHERE o.email = users.id)", "alias": "e"},
            ],
            "mask": {"email": "hash"},
        },
    ],
)
def test_counts_and_what_is_masked_or_kept_on_purpose_pass(keys: dict[str, Any]):
    assert entry(**keys).mask == keys["mask"]


def test_what_is_hidden_is_the_column_behind_the_output():
    masked = entry(select_fields=[{"expr": "CONCAT(a, b)", "alias": "ab"}, "c"], mask={"ab": "hash"})
    assert masked.hidden_columns == {"a", "b"}
    constant = entry(select_fields=[{"expr": "CONCAT(a, CURRENT_USER)", "alias": "ab"}], mask={"ab": "hash"})
    assert constant.hidden_columns == {"a"}


def test_a_hash_without_its_key_is_refused_when_loading():
    from aggregation_pipeline.errors import SettingsError

    hashed = entry(select_fields=["email", "phone"], mask={"email": "hash", "phone": "partial"})
    with pytest.raises(SettingsError, match=r"MASK_SALT is not set.*users\.email"):
        Settings().require_mask_salt([hashed])
    Settings(mask_salt="0123456789abcdef").require_mask_salt([hashed])
    with pytest.raises(ValidationError, match="at least 16 random"):
        Settings(mask_salt="short")
    assert "0123456789abcdef" not in repr(Settings(mask_salt="0123456789abcdef"))

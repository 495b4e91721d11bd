"""Masked values never reach the disk, in whatever way a column is read."""

import hashlib
import hmac
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr
from pymysql.constants import FIELD_TYPE

from aggregation_pipeline.config.mask_options import MaskRule
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.arrow_types import ColumnType
from aggregation_pipeline.source.mysql.blocks import Block, Cells
from aggregation_pipeline.source.mysql.masking import mask_column
from aggregation_pipeline.source.mysql.row_protocol import Field
from aggregation_pipeline_tests.support.reading import SALT, Execute, Read, rows_of

PEOPLE = (
    """CREATE TABLE people (id_card VARCHAR(18) PRIMARY KEY, name VARCHAR(40), email VARCHAR(80), phone BIGINT,
        salary DECIMAL(10,2),
        photo BLOB)""",
    """INSERT INTO people VALUES
        ('11010119900307123X', '张三', 'zhang.san@example.com', 13812345678, 10000.00, x'00ff'),
        ('110101199003071249', 'Li Lei', NULL, 13900000000, 20000.50, NULL),
        ('31010119900307123X', '', 'zhang.san@example.com', NULL, 1, x'41')""",
)
SECRETS = (b"zhang.san", "张三".encode(), b"13812345678", b"199003071249", b"Li Lei", b"20000.5")


def hashed(value: str) -> str:
    return hmac.new(SALT.get_secret_value().encode(), value.encode(), hashlib.sha256).hexdigest()


def test_masked_columns_are_text_and_their_values_are_nowhere(execute: Execute, read: Read, tmp_path: Path):
    execute(PEOPLE)
    mask = {
        "id_card": "hash",
        "name": "partial",
        "email": "partial",
        "PHONE": "hash",
        "salary": "drop",
        "photo": "hash",
    }
    figures = [{"function": "COUNT DISTINCT", "field": "salary", "alias": "salaries"}]
    extract = read(name="people", selectFields=["*"], mask=mask, aggregations=figures)
    summary, detail = extract.datasets
    assert (summary.masks, detail.masks) == ({}, {name.lower(): rule for name, rule in mask.items()})
    assert [(field.name, str(field.type)) for field in detail.schema] == [
        (name, "string") for name in ("id_card", "name", "email", "phone", "photo")
    ]
    assert {field.name: field.metadata for field in detail.schema} == {
        name: {b"mysql_type": b"VARCHAR", b"mask": rule.encode()}
        for name, rule in detail.masks.items()
        if rule != "drop"
    }
    rows = sorted(rows_of(extract), key=lambda row: str(row["name"]))
    assert [(row["name"], row["email"]) for row in rows] == [
        ("", "z****@example.com"),
        ("L****i", None),
        ("张****", "z****@example.com"),
    ]
    assert [row["phone"] for row in rows] == [None, hashed("13900000000"), hashed("13812345678")]
    assert rows[2]["id_card"] == hashed("11010119900307123X")
    assert rows[0]["photo"] == hashed("A")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    text = str([dataset.batches().__next__().to_pylist() for dataset in extract.datasets]).encode()
    assert not [secret for secret in SECRETS if secret in stored + text]


def test_the_order_of_rows_does_not_tell_what_is_masked(execute: Execute, read: Read):
    execute("CREATE TABLE calls (phone BIGINT PRIMARY KEY, plan VARCHAR(10))")
    numbers = range(13800000000, 13800000040)
    execute("INSERT INTO calls VALUES " + ", ".join(f"({number}, 'a')" for number in numbers))
    keys: dict[str, Any] = {
        "name": "calls",
        "groupBy": ["plan", "phone"],
        "aggregations": [{"function": "COUNT", "alias": "n"}],
        "selectFields": ["*"],
        "mask": {"phone": "hash"},
    }
    extract = read(**keys)
    # Before the next read, which replaces the files of this one.
    rows = {name: rows_of(extract, name) for name in ("summary", "detail")}
    ranks = {hashed(str(number)): rank for rank, number in enumerate(numbers)}
    for dataset in ("summary", "detail"):
        order = [ranks[row["phone"]] for row in rows[dataset]]
        assert sorted(order) == list(range(40))
        assert order not in (list(range(40)), list(range(40))[::-1])
    assert [dataset.order for dataset in extract.datasets] == [
        "group keys, masked ones by a keyed hash",
        "keyed hash of the primary key (phone)",
    ]
    again = read(**keys)
    assert {name: rows_of(again, name) for name in ("summary", "detail")} == rows
    assert SALT.get_secret_value() not in "".join(dataset.sql for dataset in extract.datasets)


def test_a_masked_column_that_is_gone_stops_the_table_because_it_may_have_another_name_now(
    execute: Execute, read: Read, tmp_path: Path
):
    execute(PEOPLE)
    execute("ALTER TABLE people CHANGE email mail VARCHAR(80)")
    with pytest.raises(SourceError, match=r"mask: email: no such column.*renamed.*Columns are id_card, name, mail"):
        read(name="people", selectFields=["*"], mask={"email": "partial"})
    assert not list(tmp_path.iterdir())


def test_a_column_that_is_gone_is_missed_though_a_figure_has_its_name(execute: Execute, read: Read, tmp_path: Path):
    execute(PEOPLE)
    keys: dict[str, Any] = {
        "name": "people",
        "groupBy": ["name"],
        "aggregations": [{"function": "COUNT", "alias": "email"}],
        "selectFields": ["*"],
        "mask": {"email": "hash", "name": "hash"},
    }
    extract = read(**keys)
    assert {row["email"] for row in rows_of(extract, "detail")} == {None, hashed("zhang.san@example.com")}
    execute("ALTER TABLE people CHANGE email mail VARCHAR(80)")
    for dataset in extract.datasets:
        dataset.path.unlink()
    with pytest.raises(SourceError, match=r"mask: email: no such column.*Columns are id_card, name, mail"):
        read(**keys)
    assert not list(tmp_path.iterdir())


def test_bytes_have_no_partial_mask_and_the_message_holds_no_value(execute: Execute, read: Read, tmp_path: Path):
    execute(PEOPLE)
    with pytest.raises(SourceError, match="mask: photo: partial needs text"):
        read(name="people", selectFields=["id_card", "photo"], mask={"photo": "partial"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["BLOB", "BIT(8)"])
def test_bytes_that_could_be_text_have_no_partial_mask_either(execute: Execute, read: Read, kind: str):
    execute([f"CREATE TABLE people (id INT PRIMARY KEY, photo {kind})", "INSERT INTO people VALUES (1, x'41')"])
    with pytest.raises(
        SourceError, match=r"mask: photo: partial needs text, and the column holds bytes; hash or drop it"
    ):
        read(name="people", selectFields=["id", "photo"], mask={"photo": "partial"})


@pytest.mark.parametrize("rule", ["hash", "partial"])
def test_only_a_hash_needs_a_key_and_none_is_made_without(rule: MaskRule):
    def sent(_block: Block, cells: Cells) -> pa.Array:
        return pa.array(cells)

    column = ColumnType(pa.field("phone", pa.string()), sent, sent)
    described = Field("phone", FIELD_TYPE.VAR_STRING, 0, 45, 80, 0)
    if rule == "hash":
        with pytest.raises(SourceError, match="mask: phone: hash needs a key; set MASK_SALT"):
            mask_column(column, described, rule, SecretStr(""), is_plain_column=True)
    else:
        assert mask_column(column, described, rule, SecretStr(""), is_plain_column=True).field.type == pa.string()

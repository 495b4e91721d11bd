"""Entries come to a file, and every line that a person wrote stays as it is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.config.yaml.document import read_document
from aggregation_pipeline.config.yaml.writing import Commented
from aggregation_pipeline.drafting.words import Words
from aggregation_pipeline.drafting.written import Existing, read_existing, remember, with_entries
from aggregation_pipeline.errors import ConfigError

NEW = {"newer": Commented({"group_by": ["level"]}, ("new",))}
# Files of people: indents, ends, and things after the tables.
FILES = (
    "tables:\n  users:\n    limit: 5 # mine\n",
    "tables:\n    users:\n        where: |\n          a = 1\n\n    # last words\n",
    "# head\r\ntables:\r\n  users: {limit: 5}\r\n",
    "\ufefftables:\n  users: {}\n\noptions: {csv: {delimiter: ;}}\n# end",
    "options: {}\ntables:\n  a: &a {limit: 1}\n  b: *a\nkeep_versions: 3\n",
    "tableConfigs:\n  users:\n    select_fields:\n    - id\n    - 'a\n\n      b'",
    "tables:\n  users:\n    where: >-\n      a = 1\n      AND b = 2\n\n\n\nnames: none\n",
    "tables: {}\n",
    "tables: {} # none yet\nnames: none\n",
    "tables:\n",
    "tables:",
    "tables:\n  users:\n  # nothing yet\n",
    "tables: null\n",
)


def add(path: Path, entries: dict[str, Commented], tail: list[str]) -> bytes:
    return with_entries(path, read_existing(path, "shop"), entries, ["head"], tail)


@pytest.mark.parametrize("text", FILES)
def test_every_line_stays_and_the_entries_come_to_it(text: str, tmp_path: Path):
    path = tmp_path / "aggregation.yaml"
    path.write_bytes(text.encode())
    content = add(path, NEW, ["# [init] taken: newer"])
    lines = iter(content.decode().splitlines())
    # What says that there are no tables goes.
    if not text.startswith(("tables: {}", "tables: null")):
        assert all(any(line == found for found in lines) for line in text.splitlines())
    data = read_document(path, content).data
    tables = data.get("tables", data.get("tableConfigs"))
    assert tables["newer"] == {"group_by": ["level"]}
    assert content.count(b"\r\n") in (0, content.count(b"\n"))
    path.write_bytes(content)
    existing = read_existing(path, "shop")
    assert existing.entries["newer"] == ("newer",)
    assert existing.knows("newer")


def test_without_anything_new_the_file_is_the_same(tmp_path: Path):
    path = tmp_path / "aggregation.yaml"
    for text in FILES:
        path.write_bytes(text.encode())
        assert add(path, {}, []) == text.encode()


def test_a_new_file_has_a_head_the_entries_and_what_was_left_out(tmp_path: Path):
    words = Words("en")
    tail = remember(words, {"view": ["v_a", "b c"], "taken": ["newer"]}, Existing())
    content = with_entries(tmp_path / "x.yaml", Existing(), NEW, ["head"], tail)
    assert content.decode() == (
        "# head\n\ntables:\n  # new\n  newer:\n    group_by: [level]\n\n"
        "# Tables that init did not take. To take one: aggregation-pipeline init --tables NAME\n"
        '# [init] views: v_a, "b c"\n# [init] taken, also if you delete them above: newer\n'
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tables: {users: {}}\n", "stand in braces"),
        ("tables: [a]\n", "cannot be added"),
        ("options: {}\n", "the key is missing"),
        ("tables:\n  - a\n", "cannot be added"),
        ("tables:\n  a: {\n", "this is not YAML"),
        ("just text\n", "the key is missing"),
    ],
)
def test_a_file_that_cannot_be_extended_is_refused(text: str, words: str, tmp_path: Path):
    path = tmp_path / "aggregation.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        add(path, NEW, [])
    assert path.read_text(encoding="utf-8") == text


def test_entries_over_the_same_table_or_another_database_are_told_apart(tmp_path: Path):
    path = tmp_path / "aggregation.yaml"
    path.write_text("tables:\n  a: {table: shop.orders}\n  b: {table: other.users}\n  c: {table: '`v1.x`'}\n", "utf-8")
    existing = read_existing(path, "shop")
    assert [existing.knows(name) for name in ("orders", "users", "v1.x", "a")] == [True, False, True, False]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64), max_size=50))
def test_any_name_is_remembered(names: list[str]):
    lines = remember(Words("zh"), {"log": names}, Existing())
    assert all("\n" not in line and line.startswith("# ") for line in lines)
    path = Path("/nonexistent")
    content = with_entries(path, Existing(), {}, ["head"], lines)
    remembered = read_text(content)
    assert set(names) <= remembered


def read_text(content: bytes) -> frozenset[str]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_bytes(content)
        return read_existing(path, "shop").remembered


def test_more_names_than_a_file_should_list_are_counted():
    lines = remember(Words("en"), {"smaller": [f"t{n}" for n in range(5_000)], "taken": ["a"]}, Existing())
    assert lines[-1] == "# [init] and 3,001 more tables, which are not listed"
    assert all(len(line) <= 120 for line in lines)


def test_the_limit_of_a_file_holds_for_init_too(tmp_path: Path):
    path = tmp_path / "aggregation.yaml"
    found = []
    for limits in ("{timeout_seconds: 3}", "{}", "5", "{timeout_seconds: soon}"):
        path.write_text(f"source_limits: {limits}\ntables: {{}}\n", encoding="utf-8")
        found.append(read_existing(path, "shop").timeout_seconds)
    assert found == [3, None, None, None]

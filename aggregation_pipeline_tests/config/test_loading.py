"""aggregation.yaml loads, or every issue in it is reported with its place."""

from pathlib import Path

import pytest
import yaml

from aggregation_pipeline.config.loading import DEFAULT_CONFIG, load_config
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.storage.keys import refuse_long_names
from aggregation_pipeline_tests.support.config_file import find_issues, load_text

SEED = """
tableConfigs:
  users:
    groupBy: ['status', 'DATE(created_at)']
    selectFields: ['id', 'username', 'email', 'status']
    aggregations: [
      { function: 'COUNT', field: 'id', alias: 'user_count' },
      { function: 'AVG', field: 'age', alias: 'avg_age' }
    ]
    where: 'created_at >= DATE_SUB(NOW(), INTERVAL 7 DAY)'
    limit: 1000
"""


def test_the_example_of_the_first_service_carries_over_word_for_word(tmp_path: Path):
    (users,) = load_text(tmp_path, SEED).tables
    assert [key.expr for key in users.group_by] == ["status", "DATE(created_at)"]
    assert [figure.name for figure in users.aggregations] == ["user_count", "avg_age"]
    assert [field.name for field in users.select_fields] == ["id", "username", "email", "status"]
    assert users.where == "created_at >= DATE_SUB(NOW(), INTERVAL 7 DAY)"
    assert (users.limit, users.line) == (1000, 3)


def test_the_shipped_config_loads_and_its_users_are_the_example(tmp_path: Path):
    shipped = load_config()
    users = shipped.tables[0]
    assert [entry.name for entry in shipped.tables] == ["users", "orders", "products"]
    (example,) = load_text(tmp_path, SEED).tables
    assert users.model_dump(exclude={"description"}) == example.model_dump(exclude={"description"})


def test_entries_keep_the_order_of_the_file_and_know_their_lines(tmp_path: Path):
    config = load_text(
        tmp_path,
        """
        tables:
          b: {}
          a:
          中文 表: {table: "`x.y`"}
          2024:
          no: {group_by: [on, no, y]}
        """,
    )
    assert [(entry.name, entry.line) for entry in config.tables] == [
        ("b", 3),
        ("a", 4),
        ("中文 表", 5),
        ("2024", 6),
        ("no", 7),
    ]


def test_yaml_1_1_booleans_are_names_here(tmp_path: Path):
    (entry,) = load_text(tmp_path, "tables: {t: {group_by: [on, no, y, yes, Off]}}").tables
    assert [key.name for key in entry.group_by] == ["on", "no", "y", "yes", "Off"]


def test_anchors_and_merges_work_and_the_entry_itself_wins(tmp_path: Path):
    config = load_text(
        tmp_path,
        """
        tables:
          a: &base {where: a > 1, limit: 5}
          b:
            <<: *base
            limit: 6
        """,
    )
    assert [(entry.where, entry.limit) for entry in config.tables] == [("a > 1", 5), ("a > 1", 6)]


def test_options_of_the_formats_are_read(tmp_path: Path):
    assert (
        load_text(tmp_path, "tables: {}\noptions: {zeroDates: error, csv: {delimiter: ';'}}").options.csv.delimiter
        == ";"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "1:1: the file is empty; expected tables:"),
        ("# nothing\n", "1:1: the file is empty"),
        ("- a", "1:1: a mapping with the key tables is expected, found a list"),
        ("users: {}", "1:1: tables: the key is missing"),
        ("tables: [users]", "1:1: tables: a mapping from tables to what is made of them is expected, found a list"),
        ("tables:\n  users: [id]", "2:3: tables.users: a mapping of keys to values is expected, found a list"),
        ("tables: {}\ntableConfigs: {}", "2:1: tableConfigs: means the same as tables; keep one"),
        (
            "tables:\n\tusers: {}",
            "2:1: this is not YAML: there is a tab where YAML takes only spaces; indent with spaces",
        ),
        ("tables:\n  users: {where: `a` = 1}", "2:18: this is not YAML"),
        ("tables: {users: {limit: 1}", "1:27: this is not YAML"),
        ("tables: {a: *x}", "1:13: this is not YAML"),
        ("tables: &a {b: *a}", "1:9: this is not YAML: an alias (*) is inside of its own anchor (&)"),
        ("tables: {a: !!python/object:os.system {}}", "1:13: tables.a: tags such as"),
        ('tables: {a: {description: "\\ud800"}}', "1:27: tables.a.description: half a surrogate pair"),
        ("tables:\n  a: {}\n  a: {}", "3:3: tables.a: the key is there twice, first in line 2; keep one"),
        ("tables:\n  a: {}\n  A: {}", "3:3: tables.A: the table is there twice, as a in line 2"),
        ("tables:\n  a: {limit: 1, limit: 2}", "2:17: tables.a.limit: the key is there twice"),
        ("tables:\n  a: {<<: 5}", "2:11: tables.a: << takes a mapping"),
        ("tables:\n  a: {[x]: 5}", "2:7: tables.a: a key is one word"),
        (b"tables:\n  caf\xe9: {}", "2:6: the file is not UTF-8 here"),
        ("tables:\n  a: {b: \x01}", "2:10: this is not YAML"),
        ("tables: {a: {name: b}}", "1:14: tables.a.name: unknown key"),
        ("tables: {a: {line: 3}}", "1:14: tables.a.line: unknown key"),
        ("tables: {a: {grupBy: [x]}}", "1:14: tables.a.grupBy: unknown key. Was group_by meant?"),
        ("tables: {a: {select: [x]}}", "1:14: tables.a.select: unknown key. Was select_fields meant?"),
        (
            "tables: {a: {groupBy: [x], group_by: [y]}}",
            "1:28: tables.a.group_by: the key is there in two spellings, group_by and groupBy",
        ),
        ("tablse: {}\ntables: {}", "1:1: tablse: unknown key. Was tables meant?"),
        (
            "tables: {a: {aggregations: [{function: SUMM, field: x}]}}",
            "1:30: tables.a.aggregations[0].function: one of COUNT, COUNT DISTINCT",
        ),
        ("tables: {a: {aggregations: [{function: SUMM, field: x}]}}", 'found the text "SUMM". Was SUM meant?'),
        (
            "tables: {a: {formats: [xlsx, cvs]}}",
            '1:30: tables.a.formats[1]: one of json, csv, excel, parquet is expected, found the text "cvs". Was csv',
        ),
        (
            "tables: {a: {groupBy: status}}",
            '1:14: tables.a.groupBy: a list is expected, as in [a, b], found the text "status"',
        ),
        ("tables: {a: {group_by: [5]}}", "1:25: tables.a.group_by[0]: a column name, an expression in quotes"),
        ("tables: {a: {group_by: [{alias: x}]}}", "1:25: tables.a.group_by[0].expr: the key is missing"),
        ("tables: {a: {limit: '5'}}", '1:14: tables.a.limit: a whole number is expected, found the text "5"'),
        ("tables: {a: {limit: true}}", "1:14: tables.a.limit: a whole number is expected, found the boolean true"),
        ("tables: {a: {limit: 0}}", "tables.a.limit: it should be greater than or equal to 1, found the number 0"),
        (
            "tables: {a: {description: 5}}",
            "1:14: tables.a.description: text is expected, found the number 5; put it in quotes",
        ),
        ("tables: {a: {tags: {k: 5}}}", "1:21: tables.a.tags.k: text is expected"),
        ("tables: {a: {where: 'b; DROP TABLE c'}}", "1:14: tables.a.where: a semicolon ends a statement"),
        ("tables: {a: {where: 'b; DROP TABLE c'}}", '(found the text "b; DROP TABLE c")'),
        ("tables: {a: {select_fields: [id, SLEEP(1)]}}", "1:34: tables.a.select_fields[1]: SLEEP() is refused"),
        (
            "tables: {/etc/passwd: {table: users}}",
            "1:10: tables.'/etc/passwd'.name: the name of an entry is the name of its folder",
        ),
        ("tables: {/etc/passwd: {table: users}}", "has an empty part (a leading '/'"),
        ("tables: {a/../b: {table: users}}", "has the part '..', which would point to another folder"),
        ("tables: {'a\\..\\b': {table: users}}", "has the part '..'"),
        ("tables: {'..': {table: users}}", "Give it another name, and the table's by the key table"),
        ('tables: {"a\\u0007": {table: users}}', "is printable"),
        (f"tables: {{{'x' * 300}: {{table: users}}}}", "has at most 239 bytes in UTF-8; this one has 300"),
        (f"tables: {{{'表' * 80}: {{table: users}}}}", "this one has 240"),
        (f"tables: {{'{'/'.join('x' * 65)}': {{table: users}}}}", "has at most 239 bytes"),
        ("tables: {a.b.c: {}}", "1:10: tables.'a.b.c'.table: a table as `orders` or `shop.orders` is expected"),
        ("tables: {}\noptions: {csv: {encodng: x}}", "2:17: options.csv.encodng: unknown key. Was encoding meant?"),
        (
            "tables: {}\noptions: {json: {bigIntegers: x}}",
            "2:18: options.json.bigIntegers: one of string, number is expected",
        ),
    ],
)
def test_an_issue_is_named_with_place_key_expectation_and_remedy(tmp_path: Path, text: str | bytes, line: str):
    assert any(line in found for found in find_issues(tmp_path, text)), find_issues(tmp_path, text)


def test_all_issues_of_a_file_come_at_once_in_its_order(tmp_path: Path):
    found = find_issues(
        tmp_path,
        """
        tables:
          users:
            grupBy: [status]
            aggregations:
              - {function: SUMM, field: id}
              - {function: SUM}
            where: 5
          orders:
            limit: -1
            select_fields: [id, ID]
        options: {zero_date: error}
        """,
    )
    assert [line.split(": ")[0] for line in found] == [
        "4:5",
        "6:10",
        "7:9",
        "8:5",
        "10:5",
        "11:5",
        "12:11",
    ]


def test_a_value_that_is_long_is_cut_in_messages(tmp_path: Path):
    (line,) = find_issues(tmp_path, f"tables: {{a: {{where: '{'x' * 500};'}}}}")
    assert len(line) < 250


def test_the_value_of_an_unknown_key_is_not_repeated(tmp_path: Path):
    assert "hunter2" not in "".join(find_issues(tmp_path, "tables: {a: {db_password: hunter2}}\npassword: hunter2"))


def test_a_file_that_is_not_there_is_said_with_the_variable_that_names_it(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"nowhere.yaml: there is no such file. AGGREGATION_CONFIG names it"):
        load_config(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_a_small_file_that_unfolds_to_a_huge_one_is_refused(tmp_path: Path):
    levels = "\n".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 9))
    assert "more than 200,000 values" in "".join(find_issues(tmp_path, f"x0: &x0 [a]\n{levels}\ntables: {{}}"))


def test_a_utf_8_signature_is_no_part_of_the_first_key(tmp_path: Path):
    assert load_text(tmp_path, b"\xef\xbb\xbftables: {a: {}}").tables[0].name == "a"


@pytest.mark.parametrize(
    "name", ["a/b", "a:b", "订单 2026", "x" * 239, "manifest", "_extracts", "a%2Fb", "con", "表" * 64]
)
def test_a_name_that_a_key_can_hold_stays_possible(tmp_path: Path, name: str):
    (entry,) = load_text(
        tmp_path, yaml.safe_dump({"tables": {name: {"table": "users"}}}, allow_unicode=True, width=1000)
    ).tables
    refuse_long_names("prefix", entry.name)


def test_the_shipped_config_is_where_packaging_looks_for_it():
    assert DEFAULT_CONFIG.name == "aggregation.yaml"
    assert "yaml-language-server: $schema=./aggregation.schema.json" in DEFAULT_CONFIG.read_text(encoding="utf-8")

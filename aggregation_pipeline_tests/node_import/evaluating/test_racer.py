"""Without Node.js, rules of CommonJS files are evaluated in V8 alone, which has nothing of the machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregation_pipeline.errors import ImportNodeError
from aggregation_pipeline.node_import.code.sources import open_project
from aggregation_pipeline.node_import.evaluating import node as of_node
from aggregation_pipeline.node_import.evaluating.node import find_engine, find_node
from aggregation_pipeline.node_import.evaluating.racer import Racer, find_racer
from aggregation_pipeline.node_import.rules import FoundRules, rules_in_force
from aggregation_pipeline_tests.node_import.projects import OLD_SERVICE, RULES, RULES_OF_USERS, written
from aggregation_pipeline_tests.node_import.test_rules import SHAPES
from aggregation_pipeline_tests.support.servers.missing import missing

QUICK = ("a configuration", "a service that starts at once, and asks what is not installed")
COMMON = [shape for shape in SHAPES if "ES module" not in shape]


@pytest.fixture(autouse=True)
def _no_node(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PATH", "/nonexistent")
    find_node.cache_clear()
    yield
    find_node.cache_clear()


@pytest.fixture
def _racer(_no_node: None) -> None:
    if find_racer() is None:
        missing("mini-racer is missing: pip install mini-racer")
    assert isinstance(find_engine(), Racer)


def found_in(folder: Path, files: dict[str, str], env: dict[str, str] | None = None) -> FoundRules:
    return rules_in_force(open_project(written(folder, files)), env or {})


@pytest.mark.usefixtures("_racer")
@pytest.mark.parametrize(
    "shape", [each if each in QUICK else pytest.param(each, marks=pytest.mark.slow) for each in COMMON]
)
def test_the_rules_are_those_that_node_finds(tmp_path: Path, shape: str):
    found = found_in(tmp_path, SHAPES[shape])
    assert (found.failed, list(found.tables)) == ([], ["users"])
    rules = found.tables["users"]
    assert (rules.value, rules.odd, rules.changing) == (RULES_OF_USERS, [], ())


@pytest.mark.usefixtures("_racer")
def test_literals_json_files_variables_and_what_is_no_constant_are_read_as_with_node(tmp_path: Path):
    found = found_in(tmp_path / "old", OLD_SERVICE)
    assert [rules.place for rules in found.tables.values()] == [
        "services/SchedulerService.js:24",
        "services/SchedulerService.js:34",
    ]
    files = {
        "server.js": "require('./config/rules')",
        "config/rules.js": "const fs = require('fs'), path = require('node:path');\n"
        "const rules = JSON.parse(fs.readFileSync(path.join(__dirname, '..', 'config', 'rules.json'), 'utf8'));\n"
        "rules.users.limit = Number(process.env.ROWS || 10);\n"
        "rules.users.where = `home IS ${process.env.HOME} AND day = '${new Date().toISOString().slice(0, 10)}'`;\n"
        "rules.users.orderBy = require('lodash').keys({});\n"
        "rules.users.having = require('crypto').createHash('md5');\nmodule.exports = rules;",
        "config/rules.json": '{"users": {"groupBy": ["状态"]}}',
    }
    users = found_in(tmp_path / "new", files, {"ROWS": "50"}).tables["users"]
    day = "home IS undefined AND day = '2026-03-04'"
    assert users.value == {"groupBy": ["状态"], "limit": 50, "where": day}
    assert users.odd == [(("orderBy",), "package lodash"), (("having",), "package node:crypto")]
    assert users.changing == ((("where",), day, day.replace("2026-03-04", "2031-10-21")),)


@pytest.mark.usefixtures("_racer")
def test_nothing_of_the_machine_is_there(tmp_path: Path):
    outside = tmp_path / "outside.js"
    outside.write_text("module.exports = 'secret'", "utf-8")
    project = tmp_path / "project"
    project.mkdir()
    (project / "link.js").symlink_to(outside)
    (project / "package.json").write_text("{}", "utf-8")
    code = f"""const done = []; const attempt = (name, act) => {{ try {{ act(); done.push(name); }} catch {{}} }};
attempt('read', () => require('fs').readFileSync('/etc/passwd'));
attempt('outside', () => require('../outside.js'));
attempt('link', () => require('./link.js'));
attempt('link by fs', () => require('fs').readFileSync(__dirname + '/link.js'));
attempt('write', () => require('fs').writeFileSync('made.txt', 'x'));
attempt('what is there', () => require('fs').existsSync('/etc/passwd'));
attempt('fetch', () => fetch('http://127.0.0.1:1/'));
attempt('exit', () => process.exit(7));
attempt('binding', () => process.binding('fs'));
attempt('answer', () => {{ require('fs').writeSync(1, '{{"done": true}}\\n'); throw 1; }});
for (let i = 0; i < 1000; i++) console.log('x'.repeat(1000));
module.exports = {{ tableConfigs: {{ ...{RULES}, done: {{ groupBy: done }} }} }};"""
    found = found_in(project, {"server.js": code})
    assert found.tables["done"].value == {"groupBy": []}
    assert found.tables["users"].value == RULES_OF_USERS


@pytest.mark.slow
@pytest.mark.usefixtures("_racer")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(
            "for (;;);",
            "cannot be evaluated: it did not end within 3 seconds. Print the rules as JSON",
            marks=pytest.mark.slow,
        ),
        pytest.param("/(a+)+$/.test('a'.repeat(50) + 'b');", "it did not end within 3 seconds", marks=pytest.mark.slow),
        pytest.param(
            "const all = []; for (;;) all.push(new Array(1e5).fill(Math.random()));",
            # Seldom, V8 hangs at its limit. Then it is ended as what is late.
            "V8 ended with status 1; it may have run out of its 256 MiB of memory|it did not end within 20 seconds",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "const all = []; for (;;) all.push(new Uint8Array(5e7).fill(1));",
            "The rules cannot be evaluated: server.js:1: ",
            marks=pytest.mark.slow,
        ),
        pytest.param("module.exports = new Promise(() => {});", "it gave no result in 3 s", marks=pytest.mark.slow),
    ],
)
def test_code_that_does_not_end_or_takes_too_much_is_ended(
    tmp_path: Path, code: str, words: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(of_node, "SECONDS", 3.0 if "within 3" in words else 20.0 if "within 20" in words else 60.0)
    with pytest.raises(ImportNodeError) as error:
        found_in(tmp_path, {"server.js": f"const rules = () => ({{ groupBy: [nothing] }});\n{code}"})
    assert any(each in str(error.value) for each in words.split("|"))


@pytest.mark.slow
@pytest.mark.usefixtures("_racer")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("export const rules = { groupBy: ['a'] };", "server.mjs: Error: ES modules are read by Node.js only"),
        (
            "exports.users = { groupBy: require('fs').readFileSync('rules.yaml').split() };",
            "server.js:1: Error: rules.yaml is not among the .js and .json files of the project",
        ),
        ("const rules = { groupBy: ['a'] };\nlet x = ;", "SyntaxError: "),
        ("exports.users =\n  { groupBy: nothing() };", "server.js:2: ReferenceError: nothing is not defined"),
    ],
)
def test_what_needs_node_or_is_wrong_is_said_with_its_place(tmp_path: Path, code: str, words: str):
    name = "server.mjs" if code.startswith("export ") else "server.js"
    with pytest.raises(ImportNodeError) as error:
        found_in(tmp_path, {name: code, "package.json": f'{{"main": "{name}"}}'})
    assert words in str(error.value)
    assert "add --rules rules.json" in str(error.value)


def test_without_either_both_ways_out_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(of_node, "find_racer", lambda: None)
    with pytest.raises(ImportNodeError) as error:
        find_engine()
    assert "There is no node on the PATH" in str(error.value)
    assert "add --rules rules.json. Or pip install mini-racer" in str(error.value)

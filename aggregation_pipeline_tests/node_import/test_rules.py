"""Rules are found where they take effect, and evaluated by a real Node.js."""

import json
import re
from pathlib import Path

import pytest

from aggregation_pipeline.errors import ImportNodeError
from aggregation_pipeline.node_import.code.sources import open_project, read_source
from aggregation_pipeline.node_import.rules import FoundRules, rules_in_force, rules_of_file
from aggregation_pipeline_tests.node_import.projects import OLD_SERVICE, RULES, RULES_OF_USERS, USERS, written
from aggregation_pipeline_tests.support.npm_packages import node_path


@pytest.fixture(autouse=True)
def _node() -> None:
    node_path()


def found_in(folder: Path, files: dict[str, str], env: dict[str, str] | None = None) -> FoundRules:
    return rules_in_force(open_project(written(folder, files)), env or {})


def test_rules_that_are_literals_in_a_method_are_in_force_and_a_file_that_nothing_loads_is_not(tmp_path: Path):
    found = found_in(tmp_path, OLD_SERVICE)
    assert list(found.tables) == ["users", "orders"]
    assert found.tables["users"].value["groupBy"] == ["status", "DATE(created_at)"]
    assert found.tables["users"].place == "services/SchedulerService.js:24"
    assert found.tables["orders"].place == "services/SchedulerService.js:34"
    assert found.taken_from == ["services/SchedulerService.js"]
    assert found.not_in_force == ["config/aggregation.js"]
    assert found.failed == []


COMPILED = '"use strict";\nObject.defineProperty(exports, "__esModule", { value: true });\n'
SHAPES = {
    "a configuration": {
        "server.js": "const { tableConfigs } = require('./config/aggregation');",
        "config/aggregation.js": f"module.exports = {{ tables: ['users'], tableConfigs: {RULES} }};",
    },
    "a path that is joined": {
        "server.js": "const path = require('path'); require(path.join(__dirname, 'config', 'aggregation'));",
        "config/aggregation.js": f"module.exports = {{ tableConfigs: {RULES} }};",
    },
    "an index": {
        "server.js": "require('./config')",
        "config/index.js": "module.exports = { db: require('./db'), ...require('./aggregation') };",
        "config/db.js": "module.exports = {}",
        "config/aggregation.js": f"module.exports = {{ tableConfigs: {RULES} }};",
    },
    "a function": {
        "server.js": "const rules = require('./rules')();",
        "rules.js": f"module.exports = () => ({{ tableConfigs: {RULES} }});",
    },
    "an async function that waits": {
        "server.js": "require('./rules')().then(console.log);",
        "rules.js": f"module.exports = async () => {{ await new Promise(r => setTimeout(r, 5)); return {RULES}; }};",
    },
    "a promise": {
        "server.js": "require('./rules')",
        "rules.js": f"module.exports = Promise.resolve({RULES});",
    },
    "a method": {
        "server.js": "require('./rules').getConfig()",
        "rules.js": f"module.exports = {{ getConfig() {{ return {RULES}; }} }};",
    },
    "an instance": {
        "server.js": "require('./scheduler').start()",
        "scheduler.js": f"class S {{ constructor() {{ this.rules = {RULES}; }} }}\nmodule.exports = new S();",
    },
    "ES modules": {
        "package.json": '{"type": "module", "main": "server.js"}',
        "server.js": "import express from 'express'; import { tableConfigs as rules } from './rules.js'; express();",
        "rules.js": f"import {{ schedule }} from 'node-cron'; export const tableConfigs = {RULES};",
    },
    "an ES module with a default and top-level await": {
        "server.js": "import('./rules.mjs')",
        "rules.mjs": f"const rules = await Promise.resolve({RULES});\nexport default {{ tableConfigs: rules }};",
    },
    "an ES module that imports JSON and CommonJS": {
        "package.json": '{"type": "module", "main": "server.js"}',
        "server.js": "import { tableConfigs } from './rules.js';",
        "rules.js": "import where from './where.cjs'; import { createRequire } from 'node:module';\n"
        "const rules = createRequire(import.meta.url)('./rules.json');\nexport const tableConfigs = rules;",
        "where.cjs": "module.exports = 1;",
        "rules.json": json.dumps({"users": RULES_OF_USERS}),
    },
    "TypeScript that was compiled": {
        "package.json": '{"main": "src/server.ts", "scripts": {"start": "ts-node src/server.ts"}}',
        "tsconfig.json": '{"compilerOptions": {"outDir": "./build"}}',
        "src/server.ts": "import { rules } from './rules';",
        "build/server.js": COMPILED + 'const rules_1 = require("./rules");',
        "build/rules.js": COMPILED + f"exports.rules = {RULES};",
    },
    "assignments": {
        "server.js": f"const tableConfigs = {{}};\ntableConfigs.users = {USERS};",
    },
    "cases": {
        "server.js": f"function rulesOf(t) {{ switch (t) {{ case 'users': return {USERS}; }} }}",
    },
    "a literal beside local variables": {
        "server.js": f"function f(days) {{ return {{ days, tableConfigs: {RULES} }}; }}",
    },
    "constants of the module": {
        "server.js": "const DAYS = 7;\nconst users = () => ({ limit: 1 });\nfunction f(t) { const tables = { users: "
        + USERS.replace('INTERVAL 7 DAY)"', "INTERVAL " + '" + DAYS + " DAY)"') + " }; }",
    },
    "constants of the function": {
        "server.js": "function f() {\n const days = 7\n"
        " const where = `created_at >= DATE_SUB(NOW(), INTERVAL ${days} DAY)`;\n"
        " const { limit, ...more } = { limit: 1000 }\n return { users: "
        + re.sub('"where": "[^"]*"', "where", USERS).replace(": 1000", ": limit")
        + " };\n}",
    },
    "a list that names its tables": {
        "server.js": "require('./rules')",
        "rules.js": f"module.exports = Object.entries({RULES}).map(([table, rules]) => ({{ table, ...rules }}));",
    },
    "requires in a circle": {
        "server.js": "require('./a')",
        "a.js": f"exports.tableConfigs = {RULES}; require('./b');",
        "b.js": "module.exports = { a: require('./a') };",
    },
    "defaults beside them": {"server.js": f"exports.defaults = {{ limit: 5 }}; exports.tableConfigs = {RULES};"},
    "a Map": {"server.js": f"exports.rules = new Map(Object.entries({RULES}));"},
    "static fields": {"server.js": f"module.exports = class {{ static #n = 1; static tables = {RULES}; }};"},
    "a service that starts at once, and asks what is not installed": {
        "server.js": f"const app = require('express')(); const _ = require('not-installed');\n"
        f"const db = _.connect(); app.use(_.x.y()); app.listen(80); process.on('SIGTERM', () => process.exit());\n"
        f"module.exports = {{ tableConfigs: {RULES} }}; for (const x of db.rows) x();",
    },
}  # fmt: skip


# The others are slow together.
QUICK = ("a configuration", "an async function that waits", "ES modules", "TypeScript that was compiled", "a Map")


@pytest.mark.parametrize(
    "shape", [each if each in QUICK else pytest.param(each, marks=pytest.mark.slow) for each in SHAPES]
)
def test_the_same_rules_are_found_in_many_shapes_of_projects(tmp_path: Path, shape: str):
    found = found_in(tmp_path, SHAPES[shape])
    assert found.failed == []
    assert list(found.tables) == ["users"]
    rules = found.tables["users"]
    assert rules.value == RULES_OF_USERS
    assert (rules.odd, rules.changing) == ([], ())


def test_a_json_file_inside_of_the_project_and_variables_of_the_env_file_are_read(tmp_path: Path):
    files = {
        "server.js": "require('./config/rules')",
        "config/rules.js": "const fs = require('fs'), path = require('path');\n"
        "const rules = JSON.parse(fs.readFileSync(path.join(__dirname, 'rules.json'), 'utf8'));\n"
        "rules.users.limit = Number(process.env.ROWS || 10);\n"
        "rules.users.where = `age > ${process.env.AGE ?? 18} AND home IS ${process.env.HOME}`;\n"
        "module.exports = rules;",
        "config/rules.json": '{"users": {"groupBy": ["status"]}}',
    }
    found = found_in(tmp_path, files, {"ROWS": "50"})
    assert found.tables["users"].value == {
        "groupBy": ["status"],
        "limit": 50,
        "where": "age > 18 AND home IS undefined",
    }


def test_what_is_no_constant_is_told_with_both_texts(tmp_path: Path):
    files = {
        "server.js": "const day = new Date().toISOString().slice(0, 10);\n"
        "module.exports = { users: { groupBy: ['a'], where: `created_at >= '${day}'` }, orders: { groupBy: ['b'] } };"
    }
    found = found_in(tmp_path, files)
    assert found.tables["users"].changing == ((("where",), "created_at >= '2026-03-04'", "created_at >= '2031-10-21'"),)
    assert found.tables["orders"].changing == ()


def test_what_is_no_json_is_named_with_its_kind(tmp_path: Path):
    files = {
        "server.js": "const _ = require('absent');\nmodule.exports = { users: { groupBy: ['a', _.day('b')], "
        "transform: row => row, where: `x > ${_.now()}`, pattern: /x/, limit: NaN } };\nmodule.exports.users.self = "
        "module.exports.users;"
    }
    odd = found_in(tmp_path, files).tables["users"].odd
    assert sorted(odd) == [
        (("groupBy", 1), "package absent"),
        (("limit",), "NaN"),
        (("pattern",), "RegExp"),
        (("self",), "circular reference"),
        (("transform",), "function"),
        (("where",), "package absent"),
    ]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"server.js": "function f(days) { return { users: { groupBy: ['a'], where: days } }; }"},
            r"server\.js:1: ReferenceError: days is not defined\. Print the rules as JSON",
        ),
        (
            {"server.js": "class A { f() { return { users: { groupBy: [this.key] } }; } }"},
            r"server\.js:1: it asks `this`, an object that exists only while the service runs",
        ),
        ({"server.js": "const rules = { groupBy: ['a'] };\nlet x = ;"}, r"server\.js:2: SyntaxError: "),
        (
            {"server.js": "require('./rules')", "rules.js": "module.exports = { groupBy: nothing() };"},
            r"rules\.js:1: ReferenceError: nothing is not defined",
        ),
        (
            {"server.js": "require('./a'); require('./b')", "a.js": f"module.exports = {RULES}",
             "b.js": f"module.exports = {RULES.replace('1000', '9')}"},
            r"The rules of users stand at a\.js:2 and, otherwise, at b\.js:2\. Say with --rules which",
        ),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_evaluated_are_said_with_their_place(tmp_path: Path, files: dict[str, str], words: str):
    with pytest.raises(ImportNodeError, match=words):
        found_in(tmp_path, files)


def test_a_file_that_the_user_names_is_taken_though_nothing_loads_it(tmp_path: Path):
    project = open_project(written(tmp_path, OLD_SERVICE))
    source = read_source(project, project.root / "config/aggregation.js")
    assert list(rules_of_file(project, source, {}).tables) == ["users", "ghosts"]
    with pytest.raises(ImportNodeError, match=r"config/database\.js holds no rules: no object in it has groupBy"):
        rules_of_file(project, read_source(project, project.root / "config/database.js"), {})


RUN = "class S {{ async rules(today) {{ {before}; return {{ users: {users}, orders: {{ groupBy: ['status'] }} }}; }} }}"


@pytest.mark.parametrize(
    ("before", "users", "why"),
    [
        ("", "{ groupBy: ['a'], where: today }", "ReferenceError: today is not defined"),
        ("", "{ groupBy: today, limit: 5 }", "ReferenceError: today is not defined"),
        ("const w = today", "{ groupBy: ['a'], where: w }", "ReferenceError: today is not defined"),
        ("let w = 'a'", "{ groupBy: ['a'], where: w }", "ReferenceError: w is not defined"),
        ("const w = {}; w.a = 1", "{ groupBy: ['a'], ...w }", "ReferenceError: w is not defined"),
        ("const w = await db()", "{ groupBy: ['a'], where: w }", "ReferenceError: w is not defined"),
        ("const w = this.w", "{ groupBy: ['a'], where: w }", "it asks `this`"),
    ],
)  # fmt: skip
def test_a_table_whose_rules_cannot_be_evaluated_is_lost_and_not_without_rules(
    tmp_path: Path, before: str, users: str, why: str
):
    found = found_in(tmp_path, {"server.js": RUN.format(before=before, users=users)})
    assert list(found.tables) == ["orders"]
    assert list(found.lost) == ["users"]
    assert found.lost["users"][0] == "server.js:1"
    assert found.lost["users"][1].startswith(why)


def test_what_stands_for_rules_and_is_no_object_is_lost(tmp_path: Path):
    code = (
        "module.exports = { users: () => ({ groupBy: ['a'] }), logs: 'SELECT 1', none: null,"
        " orders: { groupBy: ['b'] } }"
    )
    found = found_in(tmp_path, {"server.js": code})
    assert list(found.tables) == ["orders"]
    assert {table: why for table, (_, why) in found.lost.items()} == {
        "users": "its rules are a function, which is not evaluated",
        "logs": "what stands for its rules is no object",
    }


FOLDER = {
    "rules/users.js": "module.exports = { groupBy: ['a'] };",
    "rules/old.txt": "",
    "unused.js": "module.exports = { groupBy: ['b'] };",
}


def test_files_that_are_loaded_by_a_computed_name_are_in_force(tmp_path: Path):
    code = (
        "const fs = require('fs'); const tables = {};\n"
        "for (const f of fs.readdirSync(__dirname + '/rules')) if (f.endsWith('.js')) "
        "tables[f.slice(0, -3)] = require('./rules/' + f);\nmodule.exports = { tables };"
    )
    found = found_in(tmp_path, {**FOLDER, "server.js": code})
    assert list(found.tables) == ["users"]
    assert found.not_in_force == ["unused.js"]
    assert found.unknown_loads == []


def test_what_a_computed_name_stands_for_cannot_be_known_where_that_does_not_run(tmp_path: Path):
    code = f"exports.load = (name) => require('./rules/' + name);\nexports.tables = {RULES};"
    found = found_in(tmp_path, {**FOLDER, "server.js": code})
    assert found.not_in_force == ["unused.js", "rules/users.js"]
    assert found.unknown_loads == ["server.js:1 loads a file by a name that is computed"]

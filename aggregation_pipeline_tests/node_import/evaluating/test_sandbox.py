"""What the code of a project may not do while its rules are read, and what happens if it tries."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregation_pipeline.errors import ImportNodeError
from aggregation_pipeline.node_import.code.sources import open_project
from aggregation_pipeline.node_import.evaluating import node as of_node
from aggregation_pipeline.node_import.evaluating.node import Node, find_node
from aggregation_pipeline.node_import.rules import FoundRules, rules_in_force
from aggregation_pipeline_tests.node_import.projects import RULES, written
from aggregation_pipeline_tests.support.npm_packages import node_path

TRY = "const done = []; const attempt = (name, act) => { try { act(); done.push(name); } catch {} };\n"
REPORT = f"\nmodule.exports = {{ tableConfigs: {{ ...{RULES}, done: {{ groupBy: done }} }} }};"


@pytest.fixture(autouse=True)
def _node() -> None:
    node_path()


def rules_of(folder: Path, code: str, env: dict[str, str] | None = None) -> FoundRules:
    return rules_in_force(open_project(written(folder, {"server.js": code})), env or {})


def test_files_outside_programs_threads_and_the_end_of_the_process_are_out_of_reach(tmp_path: Path):
    outside = tmp_path / "outside.txt"
    outside.write_text("secret", "utf-8")
    project = tmp_path / "project"
    project.mkdir()
    (project / "link.txt").symlink_to(outside)
    (project / "folder").symlink_to(tmp_path)
    code = f"""{TRY}const fs = require('fs'), child = require('child_process');
attempt('read', () => fs.readFileSync({str(outside)!r}));
attempt('link', () => fs.readFileSync(__dirname + '/link.txt'));
attempt('link of a folder', () => fs.readFileSync('folder/outside.txt'));
attempt('write', () => fs.writeFileSync(__dirname + '/made.txt', 'x'));
attempt('write in temp', () => fs.writeFileSync('/tmp/made-by-import-node', 'x'));
attempt('unlink', () => fs.unlinkSync(__dirname + '/package.json'));
attempt('exit', () => process.exit(7));
attempt('kill', () => process.kill(process.ppid, 0));
attempt('abort', () => process.abort());
attempt('spawn', () => {{ if (child.spawnSync('true').status === 0) return; throw 1; }});
attempt('bare spawn', () => process.binding('spawn_sync'));
for (let i = 0; i < 1000; i++) {{ console.log('x'.repeat(10000)); process.stderr.write('x'.repeat(10000)); }}
{REPORT}"""
    found = rules_of(project, code)
    assert found.tables["done"].value == {"groupBy": []}
    assert "users" in found.tables
    assert not (project / "made.txt").exists()
    assert (project / "package.json").exists()


@pytest.fixture
def calls() -> Iterator[tuple[int, list[str]]]:
    """The port of a server on loopback, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("own_network", [pytest.param(True, marks=pytest.mark.slow), False])
def test_the_network_is_out_of_reach(
    tmp_path: Path, calls: tuple[int, list[str]], own_network: bool, monkeypatch: pytest.MonkeyPatch
):
    if not own_network:
        found = find_node()
        monkeypatch.setattr(
            "aggregation_pipeline.node_import.rules.find_engine", lambda: Node(found.program, found.version, ())
        )
    port, asked = calls
    code = f"""{TRY}const url = 'http://127.0.0.1:{port}/';
attempt('http', () => void require('http').get(url + 'http'));
attempt('net', () => void require('net').connect({port}, '127.0.0.1').write('GET /net HTTP/1.0\\r\\n\\r\\n'));
attempt('fetch', () => {{ fetch(url + 'fetch'); }});
module.exports = async () => {{
  await new Promise((done) => setTimeout(done, 300));
  await import('node:http').then((http) => void http.default.get(url + 'import')).catch(() => 0);
  return {{ tableConfigs: {RULES} }};
}};"""
    assert list(rules_of(tmp_path, code).tables) == ["users"]
    assert asked == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("for (;;);", r"server\.js cannot be evaluated: it did not end within 3 seconds\. Print the rules as JSON"),
        ("const all = []; for (;;) all.push(new Array(1e5).fill(Math.random()));", r"server\.js cannot be evaluated: "),
        ("const all = []; for (;;) all.push(Buffer.alloc(5e7, 1));", r"server\.js(:\d+:| cannot be evaluated:) "),
        ("module.exports = new Promise(() => {});", r"server\.js: Error: it gave no result in 3 seconds"),
        (
            "const u = {groupBy: []}; for (let i = 0; i < 5e5; i++) u.groupBy.push(i);\nmodule.exports = {users: u};",
            r"server\.js: Error: the rules are too large",
        ),
    ],
)  # fmt: skip
def test_code_that_does_not_end_or_takes_too_much_is_ended(
    tmp_path: Path, code: str, words: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(of_node, "SECONDS", 3.0 if "for (;;);" in code else 20.0)
    with pytest.raises(ImportNodeError, match=words):
        rules_of(tmp_path, f"const rules = () => ({{ groupBy: [nothing] }});\n{code}")


@pytest.mark.parametrize("program", ["#!/bin/sh\necho v18.19.0\n", "#!/bin/sh\nexit 3\n"])
def test_a_node_that_is_too_old_is_not_used_and_json_is_asked_for(
    tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "node").write_text(program, "utf-8")
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    find_node.cache_clear()
    with pytest.raises(ImportNodeError, match=r"is version .* From 20 on .* node -e \"console\.log\(JSON"):
        find_node()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(ImportNodeError, match=r"There is no node on the PATH.*--rules rules\.json"):
        find_node()


def test_the_flag_is_the_one_that_the_version_knows():
    flags = {
        version: Node("node", version, ()).flags[0] for version in ((20, 11), (22, 12), (22, 13), (23, 4), (24, 0))
    }
    assert [version for version, flag in flags.items() if flag == "--permission"] == [(22, 13), (24, 0)]

"""What a Node project loads is followed from the file with which it starts; what cannot be followed is said."""

import errno
from pathlib import Path

import pytest

from aggregation_pipeline.errors import ImportNodeError
from aggregation_pipeline.node_import.code.sources import open_project, other_sources
from aggregation_pipeline_tests.node_import.projects import OLD_SERVICE, written


def test_the_old_service_is_followed_from_its_start_script(tmp_path: Path):
    project = open_project(written(tmp_path, OLD_SERVICE))
    assert project.start_known_by == "scripts.start of package.json"
    assert [source.name for source in project.loaded.values()] == [
        "server.js",
        "services/SchedulerService.js",
        "services/DatabaseService.js",
        "services/DataAggregator.js",
        "config/database.js",
    ]
    assert [source.name for source in other_sources(project)] == ["config/aggregation.js"]


@pytest.mark.parametrize(
    ("package", "files", "start"),
    [
        ('{"main": "lib"}', ["lib/index.js"], "lib/index.js"),
        ('{"main": "./server"}', ["server.cjs"], "server.cjs"),
        ('{"main": "index.js", "scripts": {"start": "NODE_ENV=production node -r dotenv/config src/run.mjs"}}',
         ["src/run.mjs"], "src/run.mjs"),
        ('{"main": "index.js", "scripts": {"start": "pm2 start x"}}', ["app.js"], "app.js"),
        ('{"main": "src/app.ts"}', ["dist/app.js", "src/app.ts"], "dist/app.js"),
        ("\ufeff{}", ["server.js"], "server.js"),
        ('{"main": 5, "scripts": []}', ["index.js"], "index.js"),
    ],
)  # fmt: skip
def test_the_start_is_found(tmp_path: Path, package: str, files: list[str], start: str):
    project = open_project(written(tmp_path, {"package.json": package, **dict.fromkeys(files, "")}))
    assert project.name_of(project.start) == start


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"package.json": '{"main": "src/app.ts"}', "src/app.ts": ""}, r"is TypeScript.*run npm run build there first"),
        ({"package.json": "{}"}, "package.json names no file that exists, neither in scripts.start nor in main"),
        ({"package.json": "{,}"}, r"package\.json, line 1: this is no JSON"),
        ({"package.json": "[]"}, "a JSON object is expected"),
        ({"package.json": '{"name": "服务"}'.encode("gbk")}, r"package\.json is not UTF-8"),
    ],
)
def test_a_project_without_a_start_is_refused_in_words(tmp_path: Path, files: dict[str, str | bytes], words: str):
    with pytest.raises(ImportNodeError, match=words):
        open_project(written(tmp_path, files))


def test_what_is_no_project_is_refused_in_words(tmp_path: Path):
    with pytest.raises(ImportNodeError, match=r"has no package\.json, so it is no Node project"):
        open_project(tmp_path)
    with pytest.raises(ImportNodeError, match="missing is not there; the folder of the Node service is expected"):
        open_project(tmp_path / "missing")
    (tmp_path / "rules.json").write_text("{}", "utf-8")
    with pytest.raises(ImportNodeError, match=r"rules.json is a file; .* are taken with --rules"):
        open_project(tmp_path / "rules.json")


def test_what_cannot_be_followed_is_said_with_its_place(tmp_path: Path):
    outside = tmp_path / "outside.js"
    outside.write_text("module.exports = 1", "utf-8")
    root = tmp_path / "project"
    root.mkdir()
    (root / "linked.js").symlink_to(outside)
    files = {
        "server.js": "// require('./comment')\nrequire('./missing');\nrequire('./' + name);\nrequire('./linked');\n"
        "require('../outside');\nconst s = \"require('./text')\";\nobject.require('./method'); `require('./t')`;\n"
        "const r = /require('.\\/regex')/;"
    }
    project = open_project(written(root, files))
    assert [source.name for source in project.loaded.values()] == ["server.js"]
    assert project.not_followed == [
        "server.js:2 loads ./missing, which is not there",
        "server.js:3 loads a file by a name that is computed",
        "server.js:4 loads ./linked, which lies outside of the project",
        "server.js:5 loads ../outside, which lies outside of the project",
    ]


def test_a_file_that_is_not_utf_8_is_read_as_node_reads_it(tmp_path: Path):
    project = open_project(
        written(tmp_path, {"server.js": "// 数据\nrequire('./a')".encode("gbk"), "a.js": b"\xef\xbb\xbf1"})
    )
    server, other = project.loaded.values()
    assert (server.garbled, other.garbled, other.text) == (True, False, "1")


@pytest.mark.parametrize("text", ["`${" * 5000, "{" * 100_000, "/" * 50_000, "'" * 50_000, "`" * 50_001, "\\" * 9999])
def test_hostile_sources_neither_hang_nor_fail(tmp_path: Path, text: str):
    project = open_project(written(tmp_path, {"server.js": text}))
    assert len(project.loaded) + len(project.not_followed) == 1


def test_a_file_that_may_not_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(_path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    written(tmp_path, {"server.js": ""})
    # Root, who runs these tests in CI, may read any file.
    monkeypatch.setattr(Path, "read_bytes", refused)
    assert open_project(tmp_path).not_followed == ["server.js cannot be read (Permission denied)"]

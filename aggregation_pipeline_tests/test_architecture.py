"""The rooms of the package, read from the imports: which may know which, and which know nothing of Dagster.

Below that, sizes: of files, of functions, and of the list of exceptions to ruff.
"""

import ast
import functools
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

import aggregation_pipeline
from aggregation_pipeline_tests.support.paths import REPOSITORY

PACKAGE = "aggregation_pipeline"
ROOT = Path(aggregation_pipeline.__file__).parent
# From the bottom to the top: a room may import from its own line and from those before it. Modules of the root are
# rooms of their own. A new file needs no edit here; a new room does, and one in the drawing in docs/architecture.md.
ROOMS: tuple[tuple[str, ...], ...] = (
    ("native",),
    ("errors",),
    ("timezones", "tempfiles", "extract", "node_files"),
    ("config",),
    ("source", "formats", "storage", "postgres", "access"),
    ("settings",),
    ("export", "runs", "instance", "drafting", "node_import"),
    ("batch_jobs", "comparison"),
    ("health",),
    ("metrics",),
    ("alerts",),
    ("assets", "io_managers", "resources"),
    ("project", "automation"),
    ("launching",),
    ("services", "embedded", "overview", "workers"),
    ("definitions", "component", "web", "cli", "doctor", "local", "upgrade"),
)
# Libraries that can be used and tested alone: no Dagster in them.
WITHOUT_DAGSTER = (
    *(
        "native",
        "errors",
        "timezones",
        "tempfiles",
        "extract",
        "node_files",
        "config",
        "source",
        "formats",
        "storage",
        "postgres",
    ),
    "access",
    *("settings", "export", "embedded", "drafting", "node_import", "comparison"),
    *(
        f"runs.{name}"
        for name in ("asset_keys", "model", "redaction", "results", "tags", "batch_job_text", "error_text")
    ),
    *(
        f"batch_jobs.{name}"
        for name in ("projection", "table", "table_events", "writer", "last_day", "pages", "page_queries", "buckets")
    ),
    *(f"health.{name}" for name in ("probe", "postgres", "files", "batch_jobs")),
    *(f"metrics.{name}" for name in ("source", "labels", "batch_jobs", "exposition")),
    *(f"alerts.{name}" for name in ("incidents", "messages", "chat_text", "send_times", "outbox_table", "outbox")),
    *(f"alerts.{name}" for name in ("chat_robots", "channels", "delivery")),
)


def imports_of(path: Path) -> set[str]:
    """Every module, and every name that may be one, that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@functools.cache
def modules() -> dict[str, set[str]]:
    """Each module of the package, without the package's name, and what it imports of the package or from elsewhere."""
    paths = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")}
    found = {}
    for name, path in paths.items():
        if name != "__init__":
            imported = {each.removeprefix(f"{PACKAGE}.") for each in imports_of(path)}
            found[name] = {each for each in imported if each in paths or not (ROOT / each.split(".")[0]).exists()}
    return found


def edges() -> Iterator[tuple[str, str]]:
    """(module, module that it imports), both of the package."""
    return ((module, each) for module, imported in modules().items() for each in imported if each in modules())


def room(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def folder(module: str) -> str:
    return module.rpartition(".")[0] or module


def test_every_room_has_its_place_and_imports_only_from_those_before_it():
    places = {name: number for number, line in enumerate(ROOMS) for name in line}
    assert {room(module) for module in modules()} - set(places) == set(), "a new room: give it a line in ROOMS"
    assert [f"{one} imports {other}" for one, other in edges() if places[room(other)] > places[room(one)]] == []


def test_no_folder_imports_from_one_that_imports_from_it():
    """Folders in folders count on their own: mysql/ may know source/, and source/ nothing of mysql/."""
    graph: dict[str, set[str]] = {}
    for one, other in edges():
        if folder(one) != folder(other):
            graph.setdefault(folder(one), set()).add(folder(other))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a cycle of folders: {' -> '.join(reversed(error.args[1]))}")


def test_the_core_knows_nothing_of_dagster():
    wrong = [
        f"{module} imports {name}"
        for module, imported in modules().items()
        for name in imported
        if name.split(".")[0].startswith("dagster") and (room(module) in WITHOUT_DAGSTER or module in WITHOUT_DAGSTER)
    ]
    assert wrong == []
    assert [name for name in WITHOUT_DAGSTER if not (ROOT / name.replace(".", "/")).with_suffix(".py").exists()
            and not (ROOT / name).is_dir()] == []  # fmt: skip


def test_source_formats_and_storage_meet_only_in_the_extract():
    apart = {"source": {"formats", "storage"}, "formats": {"source", "storage"}, "storage": {"source"}}
    assert [f"{one} imports {other}" for one, other in edges() if room(other) in apart.get(room(one), ())] == []


def test_a_kind_of_source_is_found_by_name_alone():
    """So no other module depends on a kind, and no kind on another."""
    kinds = {folder(module) for module in modules() if folder(module).startswith("source.")}
    assert {"source.mysql", "source.postgresql"} <= kinds
    assert [f"{one} imports {other}" for one, other in edges() if folder(other) in kinds - {folder(one)}] == []


def test_what_dagster_yaml_names_imports_little():
    """Every process of Dagster's loads it, before anything of ours may be configured. Of `storage` only types."""
    allowed = {"instance", "settings", "storage", "postgres", "errors"}
    assert [
        f"{one} imports {other}" for one, other in edges() if room(one) == "instance" and room(other) not in allowed
    ] == []


def test_few_modules_stay_at_the_root_and_packages_hold_nothing_in_init():
    assert len([path for path in ROOT.glob("*.py") if path.name != "__init__.py"]) < 8
    assert [str(path) for path in ROOT.glob("*/**/__init__.py") if path.read_text(encoding="utf-8").strip()] == []


def test_no_module_with_assets_or_sensors_postpones_its_annotations():
    wrong = [path for path in ROOT.rglob("*.py") if "from __future__ import annotations" in path.read_text("utf-8")]
    assert wrong == []


# The package, its tests and the benchmarks: what is held to sizes.
FOLDERS = (PACKAGE, "aggregation_pipeline_tests", "benchmarks")
SOURCES = {
    str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8")
    for name in FOLDERS
    for path in sorted((REPOSITORY / name).rglob("*.py"))
}
LINES_IN_A_FILE = 300
LINES_IN_A_FUNCTION = 60
MEDIAN_LINES = 110
EXCEPTIONS_TO_RUFF = 50


def length(text: str) -> int:
    return len(text.splitlines())


def functions(text: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a module, with those inside others."""
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_file_is_too_long_to_be_read_at_once():
    assert {path.split("/")[0] for path in SOURCES} == set(FOLDERS)
    assert {path: length(text) for path, text in SOURCES.items() if length(text) > LINES_IN_A_FILE} == {}


def test_no_function_is_too_long_to_be_seen_at_once():
    lengths = {
        f"{path}: {function.name}": (function.end_lineno or function.lineno) - function.lineno + 1
        for path, text in SOURCES.items()
        for function in functions(text)
    }
    assert {name: lines for name, lines in lengths.items() if lines > LINES_IN_A_FUNCTION} == {}


def test_half_of_the_packages_files_are_short():
    assert median(length(text) for path, text in SOURCES.items() if path.startswith(PACKAGE + "/") and text) <= (
        MEDIAN_LINES
    )


def test_ruff_is_rarely_told_to_look_away():
    marks = {path: text.count("# " + "noqa") for path, text in SOURCES.items()}
    assert sum(marks.values()) < EXCEPTIONS_TO_RUFF, {path: count for path, count in marks.items() if count}

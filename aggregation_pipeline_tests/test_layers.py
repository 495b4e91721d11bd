"""Dependencies point one way: read from the imports themselves."""

import ast
from pathlib import Path

import aggregation_pipeline

ROOT = Path(aggregation_pipeline.__file__).parent
# From the bottom to the top; a module may import from its own layer and from those before it.
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        *("errors", "redaction", "progress", "addresses", "postgres", "extract", "instants", "locks", "env_file"),
        *("claims", "working_directory", "telemetry", "told", "quiet"),
    ),
    ("config",),
    ("setting_words", "environment", "env_order", "loaded", "load_note"),
    ("source", "formats", "storage"),
    ("checks", "notes", "export", "runs", "settings", "source_settings", "oss_settings", "supabase_settings", "plan", "alert_settings"),
    ("connections", "dagster_storage", "patience", "batch_jobs", "logs", "embedded"),
    ("alerts",),
    ("assets", "io_managers"),
    ("project", "automation"),
    ("definitions", "results", "running", "preflight"),
    ("services",),
    ("terminal", "collecting", "demo", "cli", "web"),
)
# A library that can be used and tested alone.
CORE = (
    "errors",
    "redaction",
    "progress",
    "addresses",
    "env_file",
    "environment",
    "env_order",
    "loaded",
    "load_note",
    "telemetry",
    "quiet",
    "told",
    "postgres",
    "extract",
    "instants",
    "locks",
    "claims",
    "working_directory",
    "config",
    "source",
    "formats",
    "storage",
    "checks",
    "export",
    "notes",
    "settings",
    "setting_words",
    "source_settings",
    "oss_settings",
    "supabase_settings",
    "alert_settings",
    "plan",
    "connections",
)
ALERTS = ("causes", "words", "plain", "timing", "table", "outbox", "robots", "channels", "courier")
CORE_MODULES = (
    *(f"alerts.{name}" for name in ALERTS),
    "runs.asset_keys",
    "batch_jobs.table",
    "batch_jobs.facts",
    "batch_jobs.projection",
    "batch_jobs.writer",
    "batch_jobs.text",
)


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names if module == "aggregation_pipeline")}
    return names


def modules() -> dict[str, set[str]]:
    found = {}
    for path in ROOT.rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if name != "__init__":
            found[name] = imports_of(path)
    return found


def layer_of(module: str) -> int:
    top = module.split(".", maxsplit=1)[0]
    return next(number for number, layer in enumerate(LAYERS) if top in layer)


def test_every_module_has_its_layer_and_imports_only_downwards():
    wrong = []
    for module, imported in modules().items():
        for name in imported:
            if name.startswith("aggregation_pipeline."):
                target = name.removeprefix("aggregation_pipeline.")
                if layer_of(target) > layer_of(module):
                    wrong.append(f"{module} imports {target}")
    assert not wrong


def test_the_core_knows_nothing_of_dagster():
    wrong = [
        module
        for module, imported in modules().items()
        if (module.split(".")[0] in CORE or module in CORE_MODULES) and any(name.split(".")[0].startswith("dagster") for name in imported)
    ]
    assert not wrong


def test_formats_source_and_storage_do_not_know_of_each_other_beyond_the_extract():
    wrong = [
        f"{module} imports {name}"
        for module, imported in modules().items()
        for name in imported
        for one, others in (("source", ("formats", "storage")), ("formats", ("source", "storage")), ("storage", ("source",)))
        if module.startswith(one) and name.startswith(tuple(f"aggregation_pipeline.{other}" for other in others))
    ]
    assert not wrong


def test_no_module_with_assets_or_sensors_postpones_its_annotations():
    wrong = [str(path) for path in ROOT.rglob("*.py") if "from __future__ import annotations" in path.read_text(encoding="utf-8")]
    assert not wrong

"""docs/configuration.md names every variable and every key, and nothing else; no link of any document leads nowhere."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aggregation_pipeline.config.compat import Compat
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.sources import Source
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.support.markdown import CODE_SPAN, anchors, links, read, tables
from aggregation_pipeline_tests.support.paths import REPOSITORY

PAGES = [REPOSITORY / "docs" / name for name in ("configuration.md", "configuration.zh-CN.md")]
# The key of the entry itself.
NOT_WRITTEN: Final = {"name"}
NAMING: Final = ("aggregation_pipeline", "aggregation_pipeline_tests", "benchmarks", "sql")
WRITTEN: Final = {".py", ".sql", ".yaml", ".json"}
NAMING_MODULES: Final = ("pyproject.toml", "dagster.yaml", "workspace.yaml", "Makefile", ".ci/run")
MODULE: Final = re.compile(r"(?<![\w/.-])(?:[a-z0-9_]+/)+[a-z0-9_]+\.(?:py|sql)\b")
DOCUMENT: Final = re.compile(r"\bdocs/[\w.-]+\.(?:md|json)\b")
DOCUMENTS = sorted(path for path in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in models_in(argument)]


def fields_of(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key with those below it: `partition`, `partition.column`, `options.csv.encoding`."""
    for name, field in model.model_fields.items():
        if not field.exclude and name not in NOT_WRITTEN:
            key = f"{above}{field.alias if name.endswith('_') else name}"
            yield key, field
            for inner in models_in(field.annotation):
                yield from fields_of(inner, f"{key}.")


def named_first(page: Path, pattern: str) -> list[str]:
    """What the first column of the page's tables names in code marks."""
    names = [name for table in tables(read(page)) for row in table for name in CODE_SPAN.findall(row[0])]
    return [name for name in names if re.fullmatch(pattern, name)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_has_its_row(page: Path):
    assert sorted(named_first(page, "[A-Z_]+")) == sorted(name.upper() for name in Settings.model_fields)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_key_has_its_row(page: Path):
    # What may stand beside `tables:` is explained where it stands in an entry.
    compat = ("compat", *dict(fields_of(Compat, "compat.")))
    sources = ("sources", *(f"sources.{key}" for key in Source.model_fields))
    written = {"tables", "queues", *compat, *sources, *dict(fields_of(TableEntry))}
    assert sorted(named_first(page, "[a-z_.]+")) == sorted(written)
    assert {*PipelineConfig.model_fields} - {"tables", "queues", "compat", "sources"} <= TableEntry.model_fields.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_defaults_of_variables_are_those_of_the_code(page: Path):
    """As far as a row gives one for each of its variables."""
    rows = {
        tuple(CODE_SPAN.findall(row[0])): CODE_SPAN.findall(row[-1]) for table in tables(read(page)) for row in table
    }
    compared = 0
    for names, shown in rows.items():
        if all(re.fullmatch("[A-Z_]+", name) for name in names) and len(names) == len(shown):
            for name, default in zip(names, shown, strict=True):
                field = Settings.model_fields[name.lower()]
                if field.default is not None and not re.fullmatch("[A-Z_]{8,}", default):
                    value = field.default[0] if isinstance(field.default, tuple) and field.default else field.default
                    assert default.lower() == str(value).lower(), name
                    compared += 1
    assert compared > 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_defaults_of_keys_are_those_of_the_code(page: Path):
    rows = {
        row[0].strip("`"): CODE_SPAN.findall(row[-1]) for table in tables(read(page)) for row in table if len(row) == 3
    }
    compared = 0
    for key, field in fields_of(TableEntry):
        if len(shown := rows[key]) == 1 and not key.startswith(("platform", "partition.timezone")):
            value = field.default
            if isinstance(value, (str, int, bool)) and not re.fullmatch("[A-Z_]+", shown[0]):
                assert shown[0].lower() == str(value).lower(), key
                compared += 1
    assert compared > 25


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_no_link_leads_nowhere(page: Path):
    for target, anchor in links(page):
        assert target.exists(), f"{page.name} leads to {target}, which is not there"
        if anchor:
            assert anchor in anchors(target), (
                f"{page.name} leads to #{anchor} of {target.name}, which has no such heading"
            )


def test_every_document_that_the_code_names_is_there():
    files = [path for folder in NAMING for path in (REPOSITORY / folder).rglob("*") if path.suffix in WRITTEN]
    named = {(path, name) for path in files for name in DOCUMENT.findall(path.read_text(encoding="utf-8"))}
    assert [f"{path.name} names {name}" for path, name in named if not (REPOSITORY / name).exists()] == []
    assert len(named) > 10


def test_each_word_of_the_glossary_stands_there_once():
    rows = [row for table in tables(read(REPOSITORY / "docs" / "glossary.md")) for row in table]
    words = [word.strip() for row in rows for word in re.sub(r"\(.*\)", "", row[0]).split(",")]
    assert [word for word in words if words.count(word) > 1] == []
    assert {len(row) for row in rows} == {4}


def test_every_module_that_the_code_names_in_words_is_there():
    """Docstrings and comments lead to other modules by their paths, from the package on or from beside them."""
    files = [*(REPOSITORY / "aggregation_pipeline").rglob("*.py"), *map(REPOSITORY.joinpath, NAMING_MODULES)]
    named = {(path, name) for path in files for name in MODULE.findall(path.read_text(encoding="utf-8"))}
    starts = (REPOSITORY, REPOSITORY / "aggregation_pipeline")
    missing = [
        f"{path.relative_to(REPOSITORY)} names {name}"
        for path, name in sorted(named)
        if not any((start / name).exists() for start in (*starts, path.parent))
    ]
    assert missing == []
    assert len(named) > 20

"""Every key of aggregation.yaml loads in each spelling that the docs show. A key without an example fails here."""

import json
import re
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
import yaml
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from aggregation_pipeline.config.entry_keys import INTERNAL_FIELDS
from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.schema import SCHEMA_FILE
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.config.yaml.document import read_document
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.config.examples_of_keys import EXAMPLES
from aggregation_pipeline_tests.support.config_file import load_text
from aggregation_pipeline_tests.support.paths import REPOSITORY

Keys = tuple[str, ...]
PLACE = "PLACE"

# What has to stand beside a key.
BESIDE: dict[str, dict[str, object]] = {
    "partition": {"column": "d", "every": "day", "start": "2026-01-01"},
    "freshness": {"fail_after": "26h"},
    "refresh": {"look_back": "14d", "key": "COUNT(*)"},
    "queues": {"tables": "a", "queue": "heavy"},
    "aggregations": {"function": "SUM", "field": "price"},
    "group_by": {"expr": "a"},
    "select_fields": {"expr": "a"},
    "checks": {"min_rows": 0, "max_rows": 1_000_000},
}
LISTS = ("aggregations", "group_by", "select_fields", "queues")


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from models_in(part)


def fields_of(model: type[BaseModel], above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every key that a file may hold, as its names from the top, with the type of its value."""
    for name, field in model.model_fields.items():
        if model is TableEntry and name in INTERNAL_FIELDS:
            continue
        yield (*above, name.rstrip("_")), field.annotation
        for inner in models_in(field.annotation):
            yield from fields_of(inner, (*above, name.rstrip("_")))


def plain_values(annotation: Any) -> dict[str, Any]:
    """Values that the type alone tells: words, true and false, numbers, null."""
    if typing.get_origin(annotation) is Literal:
        return {str(word): word for word in typing.get_args(annotation)}
    if annotation is bool:
        return {"true": True, "false": False}
    if annotation is int:
        return {"1": 1}
    if annotation is types.NoneType:
        return {"null": None}
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        parts = [plain_values(part) for part in typing.get_args(annotation) if not isinstance(part, BaseModel)]
        return {text: value for part in parts for text, value in part.items()}
    return {}


FIELDS = dict(fields_of(PipelineConfig))
SCHEMA = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def examples_of(keys: Keys) -> dict[str, Any]:
    plain = plain_values(FIELDS[keys])
    # Of function, field and expr one stands for the other, so that null has no meaning of its own.
    nothing = {"null": None} if "null" in plain and keys[1:2] != ("aggregations",) else {}
    return nothing | EXAMPLES.get(".".join(keys), plain)


def written(keys: Keys, value: str, *, camel: bool) -> str:
    """A whole file in which the value stands under these keys."""

    def spelled(key: str) -> str:
        return to_camel(key) if camel else key

    structure: Any = PLACE
    for depth in range(len(keys) - 1, -1, -1):
        parent = keys[depth - 1] if depth else ""
        beside = {} if (parent, keys[depth]) == ("aggregations", "expr") else BESIDE.get(parent, {})
        body = {
            **{spelled(key): other for key, other in beside.items() if key != keys[depth]},
            spelled(keys[depth]): structure,
        }
        if depth == 1 and keys[0] == "tables":
            # A condition on groups needs groups, which an entry without lists has.
            shown: dict[str, Any] = {} if keys[1] in ("select_fields", "having") else {spelled("select_fields"): ["*"]}
            if keys[1] == "refresh":
                shown["partition"] = BESIDE["partition"]
            body = {"t": shown | body}
        if depth == 1 and keys[0] == "sources":
            body = {"shop": body}
        structure = [body] if parent in LISTS else body
    if keys == ("tables", "source"):
        structure = {"sources": {"shop": {}}} | structure
    if keys[0] != "tables":
        structure = {"tables": {"t": {}}} | structure
    text = yaml.safe_dump(structure, sort_keys=False, allow_unicode=True, width=1000)
    line = next(line for line in text.splitlines() if PLACE in line)
    indent = len(re.match(r"[ -]*", line)[0]) + 2  # type: ignore[index]
    return text.replace(PLACE, textwrap.indent(value, " " * indent).lstrip(" "))


def meaning(config: PipelineConfig, keys: Keys) -> Any:
    found: Any = config
    for key in keys:
        found = found[0] if isinstance(found, tuple) else found["shop"] if isinstance(found, dict) else found
        found = getattr(found, "json_" if key == "json" else key)
    return plainly(found)


def plainly(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plainly(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(getattr(item, "name", None) or plainly(item) for item in value)
    return value.model_dump(exclude_unset=True, by_alias=False) if isinstance(value, BaseModel) else value


def covers(found: Any, expected: Any) -> bool:
    """Whether it is what was expected; after loading, an entry holds the project's options beside its own."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() <= found.keys() and all(covers(found[key], value) for key, value in expected.items())
    return bool(found == expected)


@pytest.mark.parametrize("keys", FIELDS, ids=".".join)
def test_a_key_loads_from_a_file_in_every_spelling(tmp_path: Path, keys: Keys):
    examples = examples_of(keys)
    assert examples, f"write the spellings of {'.'.join(keys)} into EXAMPLES"
    for value, expected in examples.items():
        for camel in (False, True):
            text = written(keys, value, camel=camel)
            found = meaning(load_text(tmp_path, text), keys)
            assert covers(found, expected), text
            # An editor that has the schema says the same.
            assert [
                error.message for error in SCHEMA.iter_errors(read_document(tmp_path / "aggregation.yaml").data)
            ] == [], text


def test_no_example_is_of_a_key_that_is_gone():
    assert {key for key in EXAMPLES if tuple(key.split(".")) not in FIELDS} == set()


def test_a_null_where_none_has_a_meaning_is_answered_in_words(tmp_path: Path):
    """Nothing under mask must not read as no mask."""
    for keys in FIELDS:
        if "null" in examples_of(keys):
            continue
        text = written(keys, "null", camel=False)
        with pytest.raises(ConfigError, match=r"found nothing|is expected|needs a field") as refusal:
            load_text(tmp_path, text)
        assert keys[-1] in str(refusal.value)


FRAGMENT = re.compile(r"`(\w+): ([^`\n]+)`")
COMMENTED = re.compile(r"^#   (\w+): (.+?)(?:\s{2,}.*|; .*|$)", re.MULTILINE)
BY_NAME: dict[str, list[Keys]] = {}
for known in FIELDS:
    for spelling in {known[-1], to_camel(known[-1])}:
        BY_NAME.setdefault(spelling, []).append(known)


def fragments() -> Iterator[tuple[str, str, str]]:
    """Whatever the docs, the descriptions of keys and the comments of the shipped file show as `key: value`."""
    for path in [*REPOSITORY.glob("README*.md"), *REPOSITORY.glob("docs/*.md")]:
        yield from ((path.name, *match) for match in FRAGMENT.findall(path.read_text(encoding="utf-8")))
    yield from (("aggregation.yaml", *match) for match in COMMENTED.findall(DEFAULT_CONFIG.read_text(encoding="utf-8")))
    every: list[type[BaseModel]] = [PipelineConfig, *models_below(PipelineConfig)]
    for model in dict.fromkeys(every):
        texts = [model.__doc__ or "", *(field.description or "" for field in model.model_fields.values())]
        yield from ((model.__name__, *match) for text in texts for match in FRAGMENT.findall(text))


def models_below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            yield inner
            yield from models_below(inner)


def test_every_fragment_that_the_docs_show_loads(tmp_path: Path):
    tried, refused = 0, []
    for source, key, shown in sorted(set(fragments())):
        if key not in BY_NAME:
            continue
        tried += 1
        value = shown.replace("...", "x").replace(" N}", " 5}")
        reasons = []
        for keys in BY_NAME[key]:
            try:
                load_text(tmp_path, written(keys, value, camel=key not in keys))
                break
            except ConfigError as error:
                reasons.append(str(error))
        else:
            refused.append((source, key, shown, reasons))
    assert refused == []
    assert tried > 20

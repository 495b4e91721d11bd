"""The JSON Schema of aggregation.yaml, made from the models, for editors.

`python -m aggregation_pipeline.config.schema` writes the shipped file again; a test compares it with the models.
"""

import ast
import inspect
import json
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from pydantic.alias_generators import to_camel, to_snake
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import ModelSchema

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.columns import FUNCTIONS
from aggregation_pipeline.config.entry_keys import INTERNAL_FIELDS
from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.pipeline_config import PipelineConfig

SCHEMA_FILE: Final = Path(__file__).with_name("aggregation.schema.json")

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The schema as plain data. It has both spellings of each key, so that an editor accepts either."""
    schema = PipelineConfig.model_json_schema(by_alias=True, schema_generator=_WithDocstrings)
    models: dict[str, Schema] = schema.pop("$defs")
    _accept_what_validators_accept(models)
    entry = models["TableEntry"]
    for name in INTERNAL_FIELDS:
        entry["properties"].pop(name, None)
    del entry["required"]
    tables: Schema = {
        "description": schema["properties"].pop("tables")["description"],
        "type": ["object", "null"],
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/TableEntry"}, {"type": "null"}]},
    }
    schema["properties"] = {"tables": tables, "tableConfigs": tables, **schema["properties"]}
    schema["anyOf"] = [{"required": ["tables"]}, {"required": ["tableConfigs"]}]
    result: Schema = _for_editors(schema | {"$defs": models})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "aggregation.yaml", **result}


def schema_text() -> str:
    """The schema as the shipped file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


class _WithDocstrings(GenerateJsonSchema):
    """Describes each field by the docstring under it."""

    def model_schema(self, schema: ModelSchema) -> Schema:
        """Make the schema of a model."""
        made = super().model_schema(schema)
        models = [
            cls for cls in reversed(schema["cls"].__mro__) if issubclass(cls, ConfigModel) and cls is not ConfigModel
        ]
        texts = {key: text for cls in models for key, text in _attribute_docstrings(cls).items()}
        for name, field in made.get("properties", {}).items():
            if name in texts:
                field["description"] = texts[name]
        return made


def _attribute_docstrings(model: type) -> dict[str, str]:
    """The docstrings under the attributes of a class, by the key in aggregation.yaml."""
    (tree,) = ast.parse(inspect.getsource(model)).body
    found = {}
    for statement, next_one in pairwise(getattr(tree, "body", ())):
        match statement, next_one:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                found[to_camel(name)] = inspect.cleandoc(text)
    return found


def _accept_what_validators_accept(models: dict[str, Schema]) -> None:
    """Add what validators turn into the declared types, which pydantic cannot know."""
    models["Column"] = {"anyOf": [{"type": "string"}, models["Column"]]}
    entry = models["TableEntry"]["properties"]
    function = models["Aggregation"]["properties"]["function"]
    function["anyOf"] = [
        {"enum": list(FUNCTIONS)},
        {"type": "string", "pattern": _any_case(FUNCTIONS)},
        {"type": "null"},
    ]
    formats = entry["formats"]["anyOf"]
    name = f"({'|'.join(('all', *FORMAT_NAMES))})"
    formats[0]["items"]["enum"].insert(0, "all")
    formats[:0] = [{"enum": ["all", *FORMAT_NAMES]}, {"type": "string", "pattern": rf"^\s*{name}\s*(,\s*{name}\s*)*$"}]
    _accept_list(entry["table"], {"type": "string"})
    for key in ("schedule", "orderBy"):
        entry[key]["anyOf"].insert(0, {"type": "string"})
    schedule = {"cron": dict(entry["schedule"]), "runs": entry["runs"]}
    entry["schedule"]["anyOf"] = [
        *entry["schedule"]["anyOf"],
        {"type": "object", "properties": schedule, "additionalProperties": False},
    ]
    for amounts in ("Amounts", "Resources"):
        for key in ("cpu", "memory"):
            models[amounts]["properties"][key]["anyOf"].insert(0, {"type": "number"})
    _accept_single_item(models["QueueRule"]["properties"]["tables"], {"type": "string"})
    _accept_single_item(entry["checks"], {"$ref": "#/$defs/Checks"})
    for key in ("notNull", "unique"):
        _accept_single_item(models["Checks"]["properties"][key], {"type": "string"})
    _accept_single_item(models["Refresh"]["properties"]["key"], {"type": "string"})
    _accept_single_item(entry["hints"], {"type": "string"})
    models["ExcelOptions"]["properties"]["totals"]["anyOf"].append({"type": "string"})
    models["Compat"] = {"anyOf": [{"enum": ["node"]}, models["Compat"]]}
    node_formats = models["NodeFiles"]["properties"]["formats"]["anyOf"]
    node_formats[0]["items"]["enum"].insert(0, "all")
    node_formats.insert(0, {"type": "string"})
    zero_dates = models["FormatOptions"]["properties"]["zeroDates"]
    zero_dates["enum"].append(None)
    del zero_dates["type"]


def _accept_single_item(field: Schema, item: Schema) -> None:
    """Let one item of a list stand without brackets."""
    field["anyOf"] = [item, {"type": field.pop("type"), "items": field.pop("items")}]


def _accept_list(field: Schema, item: Schema) -> None:
    """Let a list of texts stand for one text."""
    field["anyOf"] = [{"type": field.pop("type")}, {"type": "array", "items": item, "minItems": 1}]


def _any_case(words: tuple[str, ...]) -> str:
    """A pattern for words in any case, with spaces or underscores between their parts."""

    def letters(word: str) -> str:
        return "".join("[ _]+" if letter in " _" else f"[{letter}{letter.lower()}]" for letter in word)

    return f"^({'|'.join(letters(word) for word in words)})$"


def _for_editors(node: Any) -> Any:  # noqa: ANN401  # any part of a schema, in and out
    """A part of the schema with each key in both spellings, descriptions in one line, and no titles.

    pydantic's titles only repeat the names.
    """
    if isinstance(node, list):
        return [_for_editors(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: _for_editors(value) for key, value in node.items() if key not in ("title", "properties")}
    if isinstance(node.get("description"), str):
        result["description"] = " ".join(node["description"].split())
    if "properties" in node:
        result["properties"] = {
            spelling: _for_editors(value)
            for key, value in node["properties"].items()
            for spelling in dict.fromkeys((to_snake(key), key))
        }
        # tableConfigs stands for tables, which is there already.
        result["properties"].pop("table_configs", None)
    required = [
        (name, to_snake(name)) for name in node.get("required", ()) if name != to_snake(name) and "properties" in node
    ]
    if required:
        result["required"] = [name for name in node["required"] if name == to_snake(name)]
        result["allOf"] = [{"anyOf": [{"required": [name]}, {"required": [twin]}]} for name, twin in required]
    return result


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")

"""The JSON Schema of aggregation.yaml, made from the models, for editors.

`python -m aggregation_pipeline.config.schema` writes the shipped file anew; a test holds it equal to the models.
"""

import json
from pathlib import Path
from typing import Any, Final

from pydantic.alias_generators import to_snake

from aggregation_pipeline.config.columns import FUNCTIONS
from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.issues import INTERNAL_FIELDS
from aggregation_pipeline.config.pipeline_config import PipelineConfig

SCHEMA_FILE: Final = Path(__file__).with_name("aggregation.schema.json")

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The schema as plain data. Both spellings of a key are in it, so that an editor marks neither."""
    schema = PipelineConfig.model_json_schema(by_alias=True)
    models: dict[str, Schema] = schema.pop("$defs")
    entry = models["TableEntry"]
    for name in INTERNAL_FIELDS:
        entry["properties"].pop(name, None)
    del entry["required"]
    # What the models take beyond their declared types, by validators that a schema cannot see.
    models["Column"] = {"anyOf": [{"type": "string"}, models["Column"]]}
    function = models["Aggregation"]["properties"]["function"]
    function["anyOf"] = [
        {"enum": list(FUNCTIONS)},
        {"type": "string", "pattern": _any_case(FUNCTIONS)},
        {"type": "null"},
    ]
    formats = entry["properties"]["formats"]["anyOf"]
    name = f"({'|'.join(('all', *FORMAT_NAMES))})"
    formats[0]["items"]["enum"].insert(0, "all")
    formats[:0] = [{"enum": ["all", *FORMAT_NAMES]}, {"type": "string", "pattern": rf"^\s*{name}\s*(,\s*{name}\s*)*$"}]
    entry["properties"]["schedule"]["anyOf"].insert(0, {"type": "string"})
    groups = entry["properties"]["checks"]
    groups["anyOf"] = [{"$ref": "#/$defs/Checks"}, {"type": groups.pop("type"), "items": groups.pop("items")}]
    for name in ("notNull", "unique"):
        columns = models["Checks"]["properties"][name]
        columns["anyOf"] = [{"type": "string"}, {"type": columns.pop("type"), "items": columns.pop("items")}]
    models["ExcelOptions"]["properties"]["totals"]["anyOf"].append({"type": "string"})
    zero_dates = models["FormatOptions"]["properties"]["zeroDates"]
    zero_dates["enum"].append(None)
    del zero_dates["type"]
    tables: Schema = {
        "description": schema["properties"]["tables"]["description"],
        "type": ["object", "null"],
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/TableEntry"}, {"type": "null"}]},
    }
    schema["properties"] = {
        "tables": tables,
        "tableConfigs": tables,
        **{k: v for k, v in schema["properties"].items() if k != "tables"},
    }
    schema["anyOf"] = [{"required": ["tables"]}, {"required": ["tableConfigs"]}]
    result: Schema = _in_both_spellings(schema | {"$defs": models})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "aggregation.yaml", **result}


def schema_text() -> str:
    """The schema as the shipped file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _any_case(words: tuple[str, ...]) -> str:
    """A pattern for words in any case, with spaces or underscores between their parts."""

    def letters(word: str) -> str:
        return "".join("[ _]+" if letter in " _" else f"[{letter}{letter.lower()}]" for letter in word)

    return f"^({'|'.join(letters(word) for word in words)})$"


def _in_both_spellings(node: Any) -> Any:  # noqa: ANN401
    """The node with a snake_case twin before each camelCase property, and without the titles that only repeat names."""
    if isinstance(node, list):
        return [_in_both_spellings(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: _in_both_spellings(value) for key, value in node.items() if key not in ("title", "properties")}
    if "properties" in node:
        result["properties"] = {
            spelling: _in_both_spellings(value)
            for key, value in node["properties"].items()
            for spelling in dict.fromkeys((to_snake(key), key))
        }
        # tableConfigs has its twin already, by its own name.
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

"""The JSON Schema of `attributes.tables`: that of aggregation.yaml, in one piece."""

from typing import Any, cast

Schema = dict[str, Any]


def describe_tables(schema: Schema) -> None:
    """Put the schema of the tables in place of the plain mapping that pydantic made of the field."""
    from aggregation_pipeline.config.schema import json_schema

    whole = json_schema()
    models = whole["$defs"]
    tables = _in_one_piece(whole["properties"]["tables"], models)
    schema.clear()
    schema.update(cast("Schema", tables))


def _in_one_piece(node: object, models: Schema) -> object:
    """A part of the schema without references: `dg` puts it into a schema that has other definitions."""
    if isinstance(node, list):
        return [_in_one_piece(item, models) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(reference := node.get("$ref"), str):
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _in_one_piece(models[reference.rpartition("/")[2]] | rest, models)
    return {key: _in_one_piece(value, models) for key, value in node.items()}

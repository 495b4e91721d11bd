"""The tables of a defs.yaml as a document, so that errors name its lines."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster import ComponentLoadContext

from aggregation_pipeline.config.yaml.document import Document
from aggregation_pipeline.config.yaml.locations import SourceLocation

# A tree of Dagster's, which knows where in the file each value stands.
_Tree = Any


def document_of(tables: Mapping[str, Any], context: ComponentLoadContext) -> Document:
    """Return the document of these tables, which Dagster has read already, with its templates filled in."""
    tree = getattr(getattr(context.component_decl, "source_tree", None), "source_position_tree", None)
    path = Path(tree.position.filename) if tree is not None else context.path
    attributes = _child(tree, "attributes")
    data = {"tables": _plain(tables)}
    return Document(path, data, _location(data, attributes, SourceLocation(1, 1)), [])


def _location(value: object, tree: _Tree, around: SourceLocation) -> SourceLocation:
    """The location of a value and of all that it holds; that of what is around where a template made it."""
    here = around
    if tree is not None:
        here = SourceLocation(tree.position.start.line, tree.position.start.col)
    children: Mapping[Any, object] = {}
    if isinstance(value, dict):
        children = value
    elif isinstance(value, list):
        children = dict(enumerate(value))
    return SourceLocation(
        here.line, here.column, {key: _location(child, _child(tree, key), here) for key, child in children.items()}
    )


def _child(tree: _Tree, key: object) -> _Tree:
    return None if tree is None else tree.children.get(key)


def _plain(value: object) -> object:
    """The value with dates as texts, as our own reader has them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(child) for child in value]
    return value.isoformat() if isinstance(value, dt.date) else value

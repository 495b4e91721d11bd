"""What else is written for consumers of the Node.js service that this project replaces: `compat: node`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.messages.found_values import unexpected
from aggregation_pipeline.node_files.names import (
    DEFAULT_TEMPLATE,
    NODE_FORMATS,
    NodeFormat,
    checked_template,
    prefix_of,
)

NodeCsv = Literal["csv-writer", "json2csv"]


def _in_a_folder(template: str) -> str:
    if "/" not in prefix_of(checked_template(template)):
        raise ValueError(
            "a folder with a name of its own is expected before the first part in braces, so that these files lie apart"
            f" from those of the tables: {DEFAULT_TEMPLATE}"
        )
    return template


def _split_and_expand(formats: object) -> object:
    names = tuple(name.strip() for name in formats.split(",")) if isinstance(formats, str) else formats
    return NODE_FORMATS if isinstance(names, tuple) and "all" in names else names


def _without_duplicates(formats: tuple[NodeFormat, ...] | None) -> tuple[NodeFormat, ...] | None:
    if formats is not None and not formats:
        raise ValueError("at least one format is expected; leave the key out for OUTPUT_FORMAT")
    return formats and tuple(dict.fromkeys(formats))


class NodeFiles(ConfigModel):
    """`node:` files with the names, the shape and the values that the Node.js service gave them, after each tick."""

    formats: Annotated[
        tuple[NodeFormat, ...] | None, BeforeValidator(_split_and_expand), AfterValidator(_without_duplicates)
    ] = None
    """json: one file with all tables of a tick. csv: a file a table. excel: one workbook with all tables. all: all
    three. Default: those of OUTPUT_FORMAT.
    """
    csv: NodeCsv = "csv-writer"
    """Which library's CSV: csv-writer is what the service used."""
    keys: Annotated[str, AfterValidator(_in_a_folder)] = DEFAULT_TEMPLATE
    """The keys of the files in the bucket, without OSS_PREFIX, or in STORAGE_DIR. {name} is the table, or aggregated;
    {stamp} is 20261120_020000; {ext} is json, csv or excel. {YYYY}, {MM} and {DD} are the day.
    """


def _as_mapping(value: object) -> object:
    if isinstance(value, str) and value != "node":
        raise unexpected(value, "node, or {node: {formats: [json, csv]}}")
    return {"node": {}} if value == "node" else value


class Compat(ConfigModel):
    """`compat: node`, or `compat: {node: {formats: [json, csv]}}`."""

    node: NodeFiles | None = None
    """Files as the Node.js service wrote them, beside those of the tables. Of partitioned tables there are none."""


CompatOrName = Annotated[Compat | None, BeforeValidator(_as_mapping)]

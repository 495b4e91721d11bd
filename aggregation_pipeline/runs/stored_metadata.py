"""Metadata of materializations as Dagster stores them, read without its objects, which take ten times as long."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from dagster import EventLogEntry, deserialize_value

from aggregation_pipeline.runs.tags import (
    BYTES_KEY,
    FILES_KEY,
    ITEMS_KEY,
    PLATFORM_KEY,
    SECONDS_KEY,
    SOURCE_KEY,
    STAGE_SECONDS_KEY,
    TABLE_KEY,
    WINDOW_KEY,
)

# What a manifest's materialization carries for its run's row, and how Dagster stores such values.
_FIGURES = {
    *(TABLE_KEY, PLATFORM_KEY, SOURCE_KEY, WINDOW_KEY, ITEMS_KEY),
    *(SECONDS_KEY, STAGE_SECONDS_KEY, BYTES_KEY, FILES_KEY),
}
_PLAIN_METADATA = {
    "TextMetadataEntryData": "text",
    "IntMetadataEntryData": "value",
    "FloatMetadataEntryData": "value",
    "JsonMetadataEntryData": "data",
}


def stored_metadata(event: str) -> Mapping[str, Any]:
    """Return what a stored materialization of a manifest says of its window, by the keys of `runs/tags.py`.

    Dagster's own reading makes thirty objects of a manifest's event and takes ten times as long. It is asked where the
    text has another shape than the one that is known here.
    """
    try:
        return plain_metadata(json.loads(event), _FIGURES)
    except (LookupError, TypeError):
        stored = deserialize_value(event, EventLogEntry).asset_materialization
        metadata = stored.metadata if stored else {}
        return {key: metadata[key].value for key in metadata.keys() & _FIGURES}


def plain_metadata(entry: Mapping[str, Any], labels: Collection[str]) -> Mapping[str, Any]:
    """Return the values of these labels of a materialization, from its entry of the log as Dagster stores it.

    Raises:
        LookupError, TypeError: it has another shape than the one that is known here.
    """
    materialization = entry["dagster_event"]["event_specific_data"]["materialization"]
    entries = {each["label"]: each["entry_data"] for each in materialization["metadata_entries"]}
    return {
        label: entries[label][_PLAIN_METADATA[entries[label]["__class__"]]] for label in entries.keys() & set(labels)
    }

"""What an invalid entry may have been meant to mask, and of which tables.

Such an entry cannot be trusted as a whole, so this reads the words in it: anything that may be a mask counts as one.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import ValidationError
from pydantic.alias_generators import to_snake

from aggregation_pipeline.config.messages.suggestions import nearest_name
from aggregation_pipeline.config.sql.shards import split_tables
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry

# The keys that decide which columns of the database an entry masks.
MASKING_KEYS: Final = ("table", "source", "group_by", "aggregations", "select_fields", "mask")
_RULES: Final = frozenset(("partial", "hash", "drop"))
_WORD: Final = re.compile(r"[^\W\d_]+")


def may_mask(body: object) -> bool:
    """Whether masks may have been meant, by any word of the body, or by an unknown key that resembles no known one."""
    return any(map(_mentions_mask, _texts(body))) or any(_may_be_mask(key, value) for key, value in _unknown_keys(body))


def has_readable_masks(body: object) -> bool:
    """Whether everything about masks stands under the keys for it, and nowhere else."""
    if not isinstance(body, Mapping):
        return body is None
    rest = {key: value for key, value in body.items() if key != "mask"}
    meant = {nearest_name(key, _all_keys()) for key, _ in _unknown_keys(body)}
    return not may_mask(rest) and meant.isdisjoint(MASKING_KEYS)


def is_misplaced_mask(name: str, body: object) -> bool:
    """Whether an "entry" is rather the key `mask` of another entry, indented by too little."""
    has_known_key = isinstance(body, Mapping) and any(to_snake(key) in TableEntry.model_fields for key in body)
    return _mentions_mask(name) and not has_known_key


def possible_tables(name: str, body: object) -> frozenset[TableName]:
    """The tables that an entry may be about: by its name, its key `table`, and any text under an unknown key.

    Who writes a table as the `source` may mean that one.
    """
    given = body if isinstance(body, Mapping) else {}
    unknown = (text for _, value in _unknown_keys(body) for text in _texts(value))
    texts = [given.get("table", name), given.get("source"), *unknown]
    return frozenset(table for text in texts for table in _tables(text))


def _mentions_mask(text: str) -> bool:
    """Whether a text holds `mask`, a misspelling of it (maks, mark), or the name of a mask rule."""
    words = [word.casefold() for word in _WORD.findall(to_snake(text))]
    from rapidfuzz.distance import OSA

    return any("mask" in word or word in _RULES or OSA.distance(word, "mask") < 2 for word in words)


def _may_be_mask(key: str, value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return not is_number and nearest_name(key, _all_keys()) in ("", "mask")


def _unknown_keys(body: object) -> Iterator[tuple[str, object]]:
    """Keys that do not belong where they stand, or that wrongly hold a list or mapping; with the value."""
    if not isinstance(body, Mapping):
        return
    try:
        TableEntry.model_validate({"name": "entry", **body}, strict=True)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            kind, path, value = details["type"], details["loc"], details.get("input")
            # Deeper errors of this kind often come from a value that may have one of several types.
            has_wrong_type = kind.endswith("_type") and len(path) == 1 and isinstance(value, (Mapping, list, tuple))
            if kind == "extra_forbidden" or has_wrong_type:
                yield str(path[-1]), value


@functools.cache
def _all_keys() -> frozenset[str]:
    """All keys that an entry can hold, at any depth."""
    schema = TableEntry.model_json_schema()
    models = [schema, *schema.get("$defs", {}).values()]
    return frozenset(to_snake(key) for model in models for key in model.get("properties", {}))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def _tables(value: object) -> tuple[TableName, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(table for each in value for table in _tables(each))
    try:
        return split_tables(value.strip()) if isinstance(value, str) else ()
    except ValueError:
        return ()

"""What an entry with issues may have been meant to hide, and of which tables: read from its words, as nothing else of
it is certain.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic.alias_generators import to_snake
from rapidfuzz.distance import OSA

from aggregation_pipeline.config.messages.suggestions import nearest_name
from aggregation_pipeline.config.sql.table_names import TableName, split_table
from aggregation_pipeline.config.table_entry import TableEntry

# What says which columns of the database an entry hides.
HIDING: Final = ("table", "group_by", "aggregations", "select_fields", "mask")
_RULES: Final = frozenset(("partial", "hash", "drop"))
_WORD: Final = re.compile(r"[^\W\d_]+")


def looks_masking(text: str) -> bool:
    """Whether a text holds `mask`, a word that may be it (maks, mark), or what a mask does."""
    words = [word.casefold() for word in _WORD.findall(to_snake(text))]
    return any("mask" in word or word in _RULES or OSA.distance(word, "mask") < 2 for word in words)


def may_mask(body: Any) -> bool:  # noqa: ANN401  # whatever the YAML holds
    """Whether masks may have been meant, by any word of the body, or by an unknown key that is near no other one."""
    return any(map(looks_masking, _texts(body))) or any(_is_doubtful(key, value) for key, value in _unknown(body))


def hides_as_it_says(body: Any) -> bool:  # noqa: ANN401
    """Whether what it hides stands under the keys for that alone."""
    if not isinstance(body, Mapping):
        return body is None
    rest = {key: value for key, value in body.items() if key != "mask"}
    meant = {nearest_name(key, _keys()) for key, _ in _unknown(body)}
    return not may_mask(rest) and meant.isdisjoint(HIDING)


def is_stray_mask(name: str, body: Any) -> bool:  # noqa: ANN401
    """Whether an entry is rather the key `mask` of another one, in the wrong column of the file."""
    known = isinstance(body, Mapping) and any(to_snake(key) in TableEntry.model_fields for key in body)
    return looks_masking(name) and not known


def tables_in(name: str, body: Any) -> frozenset[TableName]:  # noqa: ANN401
    """The tables that it may be of: by its name, by its key `table`, and by whatever stands under keys that it should
    not have.
    """
    given = body if isinstance(body, Mapping) else {}
    texts = [given.get("table", name), *(text for _, value in _unknown(body) for text in _texts(value))]
    return frozenset(filter(None, map(_table, texts)))


def _is_doubtful(key: str, value: Any) -> bool:  # noqa: ANN401
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return not is_number and nearest_name(key, _keys()) in ("", "mask")


def _unknown(body: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """The keys that do not belong where they stand, and values of another kind than their place takes; each with the
    value.
    """
    if not isinstance(body, Mapping):
        return
    try:
        TableEntry.model_validate({"name": "entry", **body}, strict=True)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            kind, place, value = details["type"], details["loc"], details.get("input")
            # Deeper ones are often of one that could be of several kinds.
            of_another_kind = kind.endswith("_type") and len(place) == 1 and isinstance(value, (Mapping, list, tuple))
            if kind == "extra_forbidden" or of_another_kind:
                yield str(place[-1]), value


@functools.cache
def _keys() -> frozenset[str]:
    """All keys that an entry can hold, at any depth."""
    schema = TableEntry.model_json_schema()
    models = [schema, *schema.get("$defs", {}).values()]
    return frozenset(to_snake(key) for model in models for key in model.get("properties", {}))


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def _table(text: Any) -> TableName | None:  # noqa: ANN401
    try:
        return split_table(text.strip()) if isinstance(text, str) else None
    except ValueError:
        return None

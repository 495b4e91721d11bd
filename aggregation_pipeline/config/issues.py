"""pydantic's errors in a user's words: place, key as the file spells it, what is expected, what was found, the nearest
right name.
"""

import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel, to_snake

from aggregation_pipeline.config.messages.likely_causes import likely_cause, template
from aggregation_pipeline.config.messages.located_issues import KeyPath, LocatedIssue, LocatedIssuesError
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.config.yaml.document import (
    ConfigIssue,
    SourceLocation,
    as_found,
    as_written,
    describe_value,
    format_key_path,
)

_EXPECTED: Final = {
    "string_type": "text is expected",
    "int_type": "a whole number is expected",
    "int_from_float": "a whole number is expected",
    "float_type": "a number is expected",
    "bool_type": "true or false is expected",
    "tuple_type": "a list is expected, as in [a, b]",
    "list_type": "a list is expected, as in [a, b]",
    "dict_type": "a mapping of keys to values is expected",
    "model_type": "a mapping of keys to values is expected",
    "model_attributes_type": "a mapping of keys to values is expected",
}
# Fields of an entry that its place in the file, or the rest of the file, gives; to write them is a issue.
INTERNAL_FIELDS: Final = frozenset(("name", "line", "masked", "issues"))


def to_issues(error: ValidationError, root: SourceLocation, keys: Mapping[str, str], data: Any) -> list[ConfigIssue]:  # noqa: ANN401
    """Each error with its place in the file.

    `keys` gives the file's spelling of root keys that the model calls otherwise; `data` is what was validated.
    """
    # A default that is made of a refused value is not a issue of its own.
    own = [
        _as_text_too(details, data)
        for details in error.errors(include_url=False)
        if details["type"] != "default_factory_not_called"
    ]
    placed = [issue for details in own for issue in _placed(details, root, keys)]
    # A value that may be of several kinds has an error for each, and pydantic puts the kinds behind the place.
    by_place: dict[tuple[str | int, ...], list[Mapping[str, Any]]] = {}
    for details in own:
        if not _placed(details, root, keys):
            by_place.setdefault(_without_kinds(details["loc"], root, keys, str(details["type"])), []).append(details)
    # What is wrong inside of a list shows that a list is right, whatever else the value could have been.
    inside = {place[:-1] for place in by_place}
    kept = {
        place: together
        for place, together in by_place.items()
        if place not in inside or not all(map(_is_of_kind, together))
    }
    return [*placed, *(_issue(place, together, root, keys) for place, together in kept.items())]


def _as_text_too(details: Mapping[str, Any], data: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """For a number where text belongs: what would be said of the same in quotes, so that nobody is sent from one
    refusal to the next.
    """
    value = details.get("input")
    if details["type"] != "string_type" or not isinstance(value, (bool, int, float)):
        return details
    place = tuple(details["loc"])
    try:
        PipelineConfig.model_validate(_with_text(data, place, as_written(value)), strict=True)
    except ValidationError as error:
        others = [other for other in error.errors(include_url=False) if other["type"] == "value_error"]
        again = [other for other in others if place[: len(other["loc"])] == other["loc"]]
        if again:
            return {**again[0], "loc": place, "input": value}
    return details


def _with_text(data: Any, place: Sequence[str | int], text: str) -> Any:  # noqa: ANN401
    """The data with a text at a place, as far as the place is one of the data."""
    if not place:
        return text
    first, rest = place[0], place[1:]
    if isinstance(data, tuple) and isinstance(first, int):
        return (*data[:first], _with_text(data[first], rest, text), *data[first + 1 :])
    if isinstance(data, dict):
        key = next((twin for twin in (first, to_camel(str(first)), to_snake(str(first))) if twin in data), None)
        return data if key is None else {**data, key: _with_text(data[key], rest, text)}
    return data


def _placed(details: Mapping[str, Any], root: SourceLocation, keys: Mapping[str, str]) -> list[ConfigIssue]:
    """The issues of the whole file that one of pydantic's errors brings, each at its own place."""
    error = details.get("ctx", {}).get("error")
    if not isinstance(error, LocatedIssuesError):
        return []
    above: KeyPath = () if error.from_root else tuple(details["loc"][:-1])
    return with_locations([LocatedIssue((*above, *issue.path), issue.message) for issue in error.issues], root, keys)


def with_locations(placed: Iterable[LocatedIssue], root: SourceLocation, keys: Mapping[str, str]) -> list[ConfigIssue]:
    """Issues that stand elsewhere than where they were found, each at its own place in the file."""
    located = [(*_located(issue.path, root, keys), issue.message) for issue in placed]
    return [spot.issue(f"{format_key_path(path)}: {words}") for spot, path, words in located]


def _is_of_kind(details: Mapping[str, Any]) -> bool:
    return details["type"] in _EXPECTED


def unknown_key(key: str, model: type[BaseModel], *, empty: bool = False) -> str:
    """The words for a key that a model does not have; `empty` where no value stands behind it."""
    if cause := likely_cause(key):
        return f"unknown key: {cause}"
    if model is PipelineConfig and (own := _of_an_entry(key)):
        return own
    fields = [
        field.alias.rstrip("_") if field.alias and field.alias == name.rstrip("_") else name
        for name, field in model.model_fields.items()
    ]
    known = [name for name in fields if model is not TableEntry or name not in INTERNAL_FIELDS]
    if key in known:
        return f"the key is there in two spellings, {key} and {to_camel(key)}; keep one"
    if len(above := _keys_with(key, model)) == 1:
        return f"the key {key} stands under {above[0]}, as in {above[0]}: {{{key}: ...}}"
    rest = " If it is the rest of a text that holds a comma, the whole text stands in quotes." if empty else ""
    return f"unknown key.{did_you_mean(key, known)}{rest} Known are {', '.join(known)}"


def _keys_with(key: str, model: type[BaseModel]) -> list[str]:
    """The keys of a model under which the key would be right."""
    inner = {name.rstrip("_"): _model_in(field.annotation) for name, field in model.model_fields.items()}
    return [
        name
        for name, found in inner.items()
        if found and found is not TableEntry and to_snake(key) in {known.rstrip("_") for known in found.model_fields}
    ]


# What an entry and the environment have a word for.
_VARIABLES: Final = {"formats": "OUTPUT_FORMAT", "schedule": "CRON_SCHEDULE", "timezone": "TIMEZONE"}


def _of_an_entry(key: str) -> str:
    """The words for a key beside tables that belongs to an entry; empty for any other."""
    name = {"output_format": "formats", "cron_schedule": "schedule", "time_zone": "timezone"}.get(
        to_snake(key), to_snake(key)
    )
    if name not in TableEntry.model_fields or name in INTERNAL_FIELDS:
        return ""
    for_all = (
        f"; for all tables the variable {_VARIABLES[name]} says it, in the environment or .env"
        if name in _VARIABLES
        else ""
    )
    return f"the key {name} belongs to an entry, under tables{for_all}"


def _without_kinds(
    loc: tuple[str | int, ...], root: SourceLocation, keys: Mapping[str, str], kind: str
) -> tuple[str | int, ...]:
    """The place without the parts that name no key of the file, but one of the kinds that a value may be of."""
    place: list[str | int] = []
    for number, part in enumerate(loc):
        above, _ = _located(place, root, keys)
        spot, path = _located([*place, part], root, keys)
        behind = number + 1 < len(loc)
        a_kind = isinstance(part, str) and spot is above and path[-1:] != [] and path[-1] not in above.inner
        if not a_kind or not (behind or kind not in ("missing", "value_error")):
            place.append(part)
    return tuple(place)


def _issue(
    place: Sequence[str | int], together: Sequence[Mapping[str, Any]], root: SourceLocation, keys: Mapping[str, str]
) -> ConfigIssue:
    spot, path = _located(place, root, keys)
    # One that fits by its kind is the one that was meant.
    meant = [details for details in together if details["type"] not in _EXPECTED and details["type"] != "literal_error"]
    if len(together) == 1 or meant:
        return spot.issue(f"{format_key_path(path)}: {_words((meant or together)[0])}")
    expected = [_EXPECTED.get(str(details["type"])) or _choices(details) for details in together]
    kinds = " or ".join(dict.fromkeys(words.removesuffix(" is expected") for words in expected))
    value = together[0].get("input")
    return spot.issue(
        f"{format_key_path(path)}: {kinds} is expected, {as_found(value)}{_quotes(value) if 'text' in kinds else ''}"
    )


def _choices(details: Mapping[str, Any]) -> str:
    return ", ".join(re.findall(r"'([^']*)'", str(details["ctx"]["expected"])))


def _quotes(value: Any) -> str:  # noqa: ANN401
    """The remedy for a scalar of another kind, where text would do."""
    return "; put it in quotes" if isinstance(value, (bool, int, float)) else ""


def _located(
    loc: Sequence[str | int], root: SourceLocation, keys: Mapping[str, str]
) -> tuple[SourceLocation, list[str | int]]:
    """The deepest spot on the way to an error that the file has, and the whole way as the file spells it."""
    spot, path, known = root, [], True
    for depth, part in enumerate(loc):
        if isinstance(part, int) and spot.inner and all(isinstance(key, str) for key in spot.inner) and depth > 1:
            continue  # one that may be written without the brackets of a list
        key = part
        if depth == 0:
            key = keys.get(str(part), str(part))
        elif depth == 1 and loc[0] == "tables" and isinstance(part, int):
            key = list(spot.inner)[part]
        elif isinstance(part, str):
            key = next((twin for twin in (part, to_camel(part), to_snake(part)) if twin in spot.inner), part)
        known = known and key in spot.inner
        spot = spot.inner[key] if known else spot
        path.append(key)
    return spot, path


def _words(details: Mapping[str, Any]) -> str:
    kind, value = str(details["type"]), details.get("input")
    if kind == "extra_forbidden":
        return unknown_key(str(details["loc"][-1]), _model_at(details["loc"][:-1]), empty=value is None)
    if kind == "literal_error":
        choices = _choices(details)
        return f"one of {choices} is expected, {as_found(value)}.{did_you_mean(str(value), choices.split(', '))}".removesuffix(
            "."
        )
    if kind == "missing":
        return "the key is missing"
    if kind == "value_error":
        return _of_a_validator(str(details["ctx"]["error"]), value)
    bound = re.fullmatch(r"String should have (at (?:most|least) \d+ characters?)", str(details["msg"]))
    plain = f"{bound[1]} is expected" if bound else str(details["msg"]).replace("Input should", "it should")
    expected = _EXPECTED.get(kind) or plain
    remedy = _quotes(value) if kind == "string_type" else ""
    if value == "undefined":
        remedy = "; leave the key out for its default"
    if value is None:
        remedy = (
            "; take the empty item out"
            if isinstance(details["loc"][-1], int)
            else "; leave the key out for its default"
        )
    return f"{expected}, {as_found(value)}{remedy}"


def _of_a_validator(words: str, value: Any) -> str:  # noqa: ANN401
    """The words of a validator of ours, with the likely cause, and what was found where they do not say it."""
    if isinstance(value, (bool, int, float)):
        return (
            words if f"'{as_written(value)}'" in words else f"{words.removesuffix('.')} (found {describe_value(value)})"
        )
    if not isinstance(value, str):
        return words
    cause = "" if "placeholder" in words else template(value)
    return f"{words}{f': {cause}' if cause else ''}{'' if value in words else f' (found {describe_value(value)})'}"


def _model_at(loc: Sequence[str | int]) -> type[BaseModel]:
    """The model whose keys stand at a place of the file."""
    model: type[BaseModel] = PipelineConfig
    for part in loc:
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                model = _model_in(field.annotation) or model
                break
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for model in map(_model_in, typing.get_args(annotation)) if model), None)

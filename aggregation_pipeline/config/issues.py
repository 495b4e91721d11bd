"""pydantic's errors in a user's words: place, key as the file spells it, expectation, what was found, remedy."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic.alias_generators import to_camel, to_snake

from aggregation_pipeline.config.messages.found_values import describe_value, found
from aggregation_pipeline.config.messages.likely_causes import template
from aggregation_pipeline.config.messages.located_issues import (
    KeyPath,
    LocatedIssue,
    LocatedIssuesError,
    format_key_path,
)
from aggregation_pipeline.config.messages.secrets import HIDDEN, is_secret, shown_text
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.unknown_keys import model_at, unknown_key
from aggregation_pipeline.config.yaml.locations import ConfigIssue, SourceLocation

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

# One error as pydantic describes it: `type`, `loc`, `msg`, `input`, `ctx`.
ErrorDetails = Mapping[str, Any]
# The file's spelling of root keys, by the model's.
Spellings = Mapping[str, str]


def to_issues(error: ValidationError, root: SourceLocation, spellings: Spellings, data: object) -> list[ConfigIssue]:
    """Each error with its place in the file; `data` is what was validated."""
    # A default that depends on a refused value is not an issue of its own.
    errors = [
        _as_refused_text(details, data)
        for details in error.errors(include_url=False)
        if details["type"] != "default_factory_not_called"
    ]
    issues = [issue for details in errors for issue in _issues_elsewhere(details, root, spellings)]
    # For a value of several possible types pydantic reports an error per type, and appends the type to the path.
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for details in errors:
        if not _issues_elsewhere(details, root, spellings):
            path = _without_types(details["loc"], root, spellings, str(details["type"]))
            by_path.setdefault(path, []).append(details)
    # An error inside of a list shows that a list was meant, whatever other types the value could have.
    parents = {path[:-1] for path in by_path}
    for path, alternatives in by_path.items():
        if path not in parents or not all(details["type"] in _EXPECTED for details in alternatives):
            issues.append(_issue(path, alternatives, root, spellings))
    return issues


def locate_issues(issues: Iterable[LocatedIssue], root: SourceLocation, spellings: Spellings) -> list[ConfigIssue]:
    """Issues with the line and column of their paths."""
    located = [(*_locate(issue.path, root, spellings), issue.message) for issue in issues]
    return [location.issue(f"{format_key_path(path)}: {message}") for location, path, message in located]


def _issues_elsewhere(details: ErrorDetails, root: SourceLocation, spellings: Spellings) -> list[ConfigIssue]:
    """The issues that a validator found at other places of the file, each at its own place."""
    error = details.get("ctx", {}).get("error")
    if not isinstance(error, LocatedIssuesError):
        return []
    parent: KeyPath = () if error.from_root else tuple(details["loc"][:-1])
    return locate_issues([LocatedIssue((*parent, *each.path), each.message) for each in error.issues], root, spellings)


def _as_refused_text(details: ErrorDetails, data: object) -> ErrorDetails:
    """For a number where text belongs: the error that the same in quotes would bring, if it would bring one.

    Otherwise the user would put the number in quotes, and then be refused again.
    """
    value = details.get("input")
    if details["type"] != "string_type" or not isinstance(value, (bool, int, float)):
        return details
    path = tuple(details["loc"])
    try:
        PipelineConfig.model_validate(_with_text(data, path, json.dumps(value)), strict=True)
    except ValidationError as error:
        others = [other for other in error.errors(include_url=False) if other["type"] == "value_error"]
        again = [other for other in others if path[: len(other["loc"])] == other["loc"]]
        if again:
            return {**again[0], "loc": path, "input": value}
    return details


def _with_text(data: object, path: KeyPath, text: str) -> object:
    """The data with a text at a path; unchanged where the path leads nowhere."""
    if not path:
        return text
    first, rest = path[0], path[1:]
    if isinstance(data, tuple) and isinstance(first, int):
        return (*data[:first], _with_text(data[first], rest, text), *data[first + 1 :])
    if isinstance(data, dict):
        key = next((twin for twin in (first, to_camel(str(first)), to_snake(str(first))) if twin in data), None)
        return data if key is None else {**data, key: _with_text(data[key], rest, text)}
    return data


def _without_types(path: KeyPath, root: SourceLocation, spellings: Spellings, error_type: str) -> KeyPath:
    """The path without the parts that are no keys of the file, but types that a value may have."""
    result: list[str | int] = []
    for number, part in enumerate(path):
        parent, _ = _locate(result, root, spellings)
        location, spelled = _locate([*result, part], root, spellings)
        is_last = number + 1 == len(path)
        is_type = isinstance(part, str) and location is parent and spelled[-1:] != []
        is_type = is_type and spelled[-1] not in parent.children
        if not is_type or (is_last and error_type in ("missing", "value_error")):
            result.append(part)
    return tuple(result)


def _locate(
    path: Sequence[str | int], root: SourceLocation, spellings: Spellings
) -> tuple[SourceLocation, list[str | int]]:
    """The deepest location on the way to a path that the file has, and the whole path as the file spells it."""
    location, spelled, known = root, [], True
    for depth, part in enumerate(path):
        keys = location.children
        if isinstance(part, int) and keys and all(isinstance(key, str) for key in keys) and depth > 1:
            continue  # a single item may be written without the brackets of a list
        key = part
        if depth == 0:
            key = spellings.get(str(part), str(part))
        elif depth == 1 and path[0] == "tables" and isinstance(part, int):
            key = list(keys)[part]
        elif isinstance(part, str):
            key = next((twin for twin in (part, to_camel(part), to_snake(part)) if twin in keys), part)
        known = known and key in keys
        location = keys[key] if known else location
        spelled.append(key)
    return location, spelled


def _issue(
    path: KeyPath, alternatives: Sequence[ErrorDetails], root: SourceLocation, spellings: Spellings
) -> ConfigIssue:
    """One issue for the errors of one value, which has an error per type that it could have."""
    location, spelled = _locate(path, root, spellings)
    secret = is_secret(spelled)
    # If a value has the right type for one of them, that one was meant.
    meant = [each for each in alternatives if each["type"] not in _EXPECTED and each["type"] != "literal_error"]
    if len(alternatives) == 1 or meant:
        return location.issue(f"{format_key_path(spelled)}: {_message((meant or alternatives)[0], secret=secret)}")
    expected = [_EXPECTED.get(str(each["type"])) or _choices(each) for each in alternatives]
    types = " or ".join(dict.fromkeys(words.removesuffix(" is expected") for words in expected))
    value = alternatives[0].get("input")
    remedy = _put_in_quotes(value) if "text" in types else ""
    return location.issue(f"{format_key_path(spelled)}: {types} is expected, {found(value, secret=secret)}{remedy}")


def _choices(details: ErrorDetails) -> str:
    return ", ".join(re.findall(r"'([^']*)'", str(details["ctx"]["expected"])))


def _put_in_quotes(value: object) -> str:
    """The remedy for a scalar of another type, where text is accepted."""
    return "; put it in quotes" if isinstance(value, (bool, int, float)) else ""


def _message(details: ErrorDetails, *, secret: bool) -> str:
    kind, value = str(details["type"]), details.get("input")
    if kind == "extra_forbidden":
        return unknown_key(str(details["loc"][-1]), model_at(details["loc"][:-1]), empty=value is None)
    if kind == "literal_error":
        choices = _choices(details)
        hint = did_you_mean(str(value), choices.split(", "))
        return f"one of {choices} is expected, {found(value, secret=secret)}.{hint}".removesuffix(".")
    if kind == "missing":
        return "the key is missing"
    if kind == "too_short":
        return "the list is empty, and at least one item is expected"
    if kind == "value_error":
        return _message_of_validator(str(details["ctx"]["error"]), value, secret=secret)
    return f"{_expectation(kind, str(details['msg']))}, {found(value, secret=secret)}{_remedy(details)}"


def _expectation(kind: str, message: str) -> str:
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    bound = re.fullmatch(r"String should have (at (?:most|least) \d+ characters?)", message)
    return f"{bound[1]} is expected" if bound else message.replace("Input should", "it should")


def _remedy(details: ErrorDetails) -> str:
    value = details.get("input")
    if value is None and isinstance(details["loc"][-1], int):
        return "; take the empty item out"
    if value is None or value == "undefined":
        return "; leave the key out for its default"
    return _put_in_quotes(value) if details["type"] == "string_type" else ""


def _message_of_validator(message: str, value: object, *, secret: bool) -> str:
    """The message of one of our validators, with the likely cause, and the value where the message does not name it."""
    if isinstance(value, (bool, int, float)):
        if secret:
            return message.replace(f"'{json.dumps(value)}'", HIDDEN)
        if f"'{json.dumps(value)}'" in message:
            return message
        return f"{message.removesuffix('.')} (found {describe_value(value)})"
    if not isinstance(value, str):
        return message
    cause = "" if secret or "placeholder" in message else template(value)
    shown = HIDDEN if secret else shown_text(value)
    named = value in message or shown in message
    if value and shown != value:
        # As a whole, so that a short one does not take letters out of words.
        message = message.replace(repr(value), repr(shown))
        message = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", lambda _: shown, message)
    rest = "" if named else f" (found {describe_value(value, secret=secret)})"
    return f"{message}{f': {cause}' if cause else ''}{rest}"

"""aggregation.yaml as plain data, with the location of everything in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aggregation_pipeline.config.yaml.composer import Composer
from aggregation_pipeline.config.yaml.locations import ConfigIssue, SourceLocation
from aggregation_pipeline.config.yaml.parsing import parse
from aggregation_pipeline.config.yaml.syntax_errors import explain_syntax_error
from aggregation_pipeline.errors import ConfigError


@dataclass
class Document:
    """A YAML file: mappings, lists, text, numbers, booleans and None, and the location of each.

    Attributes:
        issues: what keeps parts of the file from being read.
    """

    path: Path
    data: Any
    location: SourceLocation
    issues: list[ConfigIssue]


def read_document(path: Path, content: bytes | None = None) -> Document:
    """Read a YAML file, or its `content` if that has been read already.

    Raises:
        ConfigError: the file cannot be read, or is not YAML at all. Other issues are in the document's `issues`.
    """
    text = _decoded(path, _read(path) if content is None else content)
    composer = Composer()
    try:
        node = parse(text)
        if node is None:
            raise ConfigError(
                f"{path}:1:1: the file is empty; expected tables: and under it a table, as in\n\ntables:\n  users: {{}}"
            )
        data, location = composer.compose(node, [])
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise ConfigError(f"{path}:{place}: this is not YAML: {explain_syntax_error(error, text)}") from None
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{path}:{_position_of(error, text)}: this is not YAML: {str(error).splitlines()[0]}"
        ) from None
    except RecursionError:
        raise ConfigError(f"{path}:1:1: the file is nested too deeply to be a config") from None
    return Document(path, data, location, composer.issues)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file. AGGREGATION_CONFIG names it; without it the config shipped here is used."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: the file cannot be read: {error.strerror}") from None


def _decoded(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise ConfigError(
            f"{path}:{line}:{column}: the file is not UTF-8 here; save it as UTF-8 (it may be GB18030 or Latin-1)"
        ) from None


def _position_of(error: yaml.YAMLError, text: str) -> str:
    before = text[: getattr(error, "position", 0)]
    return f"{before.count(chr(10)) + 1}:{len(before) - (before.rfind(chr(10)) + 1) + 1}"

"""A draft in `aggregation.yaml`: a new file, or new entries in one that is there, every line of which stays.

The file itself remembers which tables were looked at, in lines `# [init] ...`, so that a table that somebody has taken
out does not come back.
"""

import codecs
import functools
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic.alias_generators import to_snake

from aggregation_pipeline.config.invalid_entries import TABLES
from aggregation_pipeline.config.sources import source_name
from aggregation_pipeline.config.sql.shards import split_tables
from aggregation_pipeline.config.yaml.document import read_document
from aggregation_pipeline.config.yaml.locations import report_issues
from aggregation_pipeline.config.yaml.parsing import parse
from aggregation_pipeline.config.yaml.writing import Commented, entry_text, file_text
from aggregation_pipeline.drafting.words import Words
from aggregation_pipeline.errors import ConfigError

# Those of a source by name begin with "# [init crm] ".
_MARK: Final = "# [init{}] "
_REMEMBERED: Final = r"^{}[^:\n]*: (.*)$"
_MORE: Final = r"^{}[^:\n]*$"
_NAME: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,"]+')
_WIDTH: Final = 118
# More names in comments would bury the entries.
_MOST_NAMES: Final = 2_000


@dataclass(frozen=True)
class Existing:
    """What a file holds already.

    Attributes:
        entries: the tables of this database that each entry reads, by the entry's name: one, its shards, or none.
        content: the file as it was read.
        remembered: tables that were looked at before, whatever became of them.
        knows_all: whether the file names every table that was looked at.
        source: the name of the database that it was read for; None for the one without a name.
    """

    text: str = ""
    content: bytes = b""
    data: Any = None
    entries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    remembered: frozenset[str] = field(default_factory=frozenset)
    knows_all: bool = True
    source: str | None = None

    @functools.cached_property
    def tables(self) -> frozenset[str]:
        """The tables that have an entry."""
        return frozenset(itertools.chain.from_iterable(self.entries.values()))

    @property
    def timeout_seconds(self) -> int | None:
        """How long a statement may take by the file's own `source_limits`; None where it does not say."""
        limits = self.data.get("source_limits") if isinstance(self.data, dict) else None
        seconds = limits.get("timeout_seconds") if isinstance(limits, dict) else None
        return seconds if isinstance(seconds, int) and seconds > 0 else None

    @property
    def source_keys(self) -> Mapping[str, str]:
        """What the file says of its source, by key."""
        sources = self.data.get("sources") if isinstance(self.data, dict) else None
        for name, body in sources.items() if isinstance(sources, dict) else ():
            if _source_of({"source": name}) == self.source and isinstance(body, dict):
                return {to_snake(str(key)): str(value) for key, value in body.items()}
        return {}

    def knows(self, table: str) -> bool:
        """Whether there is an entry over the table, or there was one; of several tables, over all of them."""
        known = self.tables | self.remembered
        return table in known or known.issuperset(_named(table))

    def reads(self, names: Iterable[str]) -> bool:
        """Whether there is an entry over any of these tables."""
        return not self.tables.isdisjoint(names)


def read_existing(path: Path, database: str, source: str | None = None, schema: str = "") -> Existing:
    """Read a file; an empty one is like none.

    Args:
        path: aggregation.yaml.
        database: its name, which may stand before those of its tables.
        source: what it is called, of several.
        schema: the usual one of a database that has schemas, whose name may stand before those of tables instead.

    Raises:
        ConfigError: it is no file to which entries could be added.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Existing(source=source)
    except OSError as error:
        raise ConfigError(f"{path}: the file cannot be read: {error.strerror}") from None
    if not content.strip():
        return Existing(content=content, source=source)
    document = read_document(path, content)
    if document.issues:
        raise ConfigError(report_issues(path, document.issues))
    text = content.decode("utf-8-sig")
    entries: dict[str, tuple[str, ...]] = {}
    if isinstance(document.data, dict):
        listed = next((document.data[key] for key in document.data if key in TABLES), None)
        for name, body in (listed or {}).items() if isinstance(listed, dict | None) else ():
            entries[name] = _tables_of(name, body, database, schema) if _source_of(body) == source else ()
    mark = re.escape(_mark(source))
    lines = re.findall(_REMEMBERED.format(mark), text, re.MULTILINE)
    remembered = {
        name
        for line in lines
        for written in _NAME.findall(line)
        for name in (*_named(_unwritten(written)), _unwritten(written))
    }
    knows_all = not re.search(_MORE.format(mark), text, re.MULTILINE)
    return Existing(text, content, document.data, entries, frozenset(remembered), knows_all, source)


def with_entries(
    path: Path, existing: Existing, entries: Mapping[str, Commented], head: Sequence[str], tail: Sequence[str]
) -> bytes:
    """The content of the file with the entries added, and with `tail` as its last comments.

    Raises:
        ConfigError: the entries cannot be added without a change of what is there.
    """
    if not existing.text:
        return (file_text(head, entries) + _below("", tail)).encode()
    newline = "\r\n" if "\r\n" in existing.text else "\n"
    text = existing.text.replace("\r\n", "\n")
    added = _inserted(path, text, entries) if entries else text
    added += _below(added, tail)
    _prove_unchanged(path, existing, entries, added)
    return (codecs.BOM_UTF8 if existing.content.startswith(codecs.BOM_UTF8) else b"") + added.replace(
        "\n", newline
    ).encode()


def remember(words: Words, seen: Mapping[str, Iterable[str]], existing: Existing) -> list[str]:
    """The lines that say what became of the tables: by a key of words.py, their names."""
    lines = []
    names = {reason: [name for name in found if not existing.knows(name)] for reason, found in seen.items()}
    left = _MOST_NAMES
    for reason, found in names.items():
        lines += _wrapped(_mark(existing.source) + words.say(reason), found[:left])
        left -= len(found[:left])
    hidden = sum(map(len, names.values())) - (_MOST_NAMES - left)
    if hidden > 0:
        lines.append(_mark(existing.source) + words.say("more", count=hidden))
    left_out = any(found for reason, found in names.items() if reason != "taken")
    return [f"# {words.say('not taken')}", *lines] if left_out else lines


def _wrapped(label: str, names: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for name in map(_written, names):
        if lines and len(lines[-1]) + len(name) + 2 <= _WIDTH:
            lines[-1] += f", {name}"
        else:
            lines.append(f"{label}: {name}")
    return lines


def _inserted(path: Path, text: str, entries: Mapping[str, Commented]) -> str:
    key, value = _tables_node(path, text)
    lines = text.split("\n")
    if isinstance(value, yaml.MappingNode) and value.value:
        if value.flow_style:
            raise ConfigError(
                f"{path}:{value.start_mark.line + 1}: the tables stand in braces, where nothing can be added without"
                " changing the line. Write them below each other, as in docs/configuration.md"
            )
        indent, at = value.value[0][0].start_mark.column, _last_line(value)
    elif isinstance(value, yaml.SequenceNode):
        raise _cannot_be_extended(path)
    else:
        # Nothing, or {}, which goes.
        indent, at = key.start_mark.column + 2, value.end_mark.line
        line, start, end = lines[at], value.start_mark.column, value.end_mark.column
        if value.start_mark.line == at and end > start:
            lines[at] = line[:start].rstrip() + line[end:]
        at = key.end_mark.line
    added = [part for name, body in entries.items() for part in ("", *entry_text(name, body, indent).splitlines())]
    return "\n".join([*lines[: at + 1], *added, *(lines[at + 1 :] or [""])])


def _tables_node(path: Path, text: str) -> tuple[yaml.Node, yaml.Node]:
    root = parse(text)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value in TABLES:
            return key, value
    raise ConfigError(f"{path}: tables: the key is missing; under it the tables are listed")


def _last_line(node: yaml.Node) -> int:
    """The last line of what is in a node. The end of a mapping itself is where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        parts = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        return max(map(_last_line, parts))
    mark = node.end_mark
    in_lines = isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}
    return int(mark.line - 1 if in_lines and mark.column == 0 else mark.line)


def _below(text: str, lines: Sequence[str]) -> str:
    """Comments as the last lines of a file."""
    if not lines:
        return ""
    end = "" if not text or text.endswith("\n") else "\n"
    return f"{end}\n" + "\n".join(lines) + "\n"


def _prove_unchanged(path: Path, existing: Existing, entries: Mapping[str, Commented], text: str) -> None:
    """Read it back: everything that was there is there, and only the entries are new."""
    document = read_document(path, text.encode())
    data = document.data if isinstance(document.data, dict) else {}
    key = next((key for key in data if key in TABLES), "")
    tables = data.get(key) or {}
    before = {**existing.data, key: (existing.data.get(key) or {})}
    after = {**data, key: {name: body for name, body in tables.items() if name not in entries}}
    if document.issues or after != before or not entries.keys() <= tables.keys():
        raise _cannot_be_extended(path)


def _cannot_be_extended(path: Path) -> ConfigError:
    return ConfigError(
        f"{path}: entries cannot be added to this file without changing what is there. Write the tables below each"
        " other, as in docs/configuration.md, or let init write elsewhere: --output DIR"
    )


def _mark(source: str | None) -> str:
    return _MARK.format(f" {source}" if source else "")


def _source_of(body: object) -> str | None:
    """The source that an entry names, in its one spelling; None for the database without a name."""
    written = body.get("source") if isinstance(body, dict) else None
    with suppress(ValueError):
        return None if written is None else source_name(str(written))
    return str(written)


def _tables_of(name: str, body: object, database: str, schema: str) -> tuple[str, ...]:
    """The tables of this database that an entry reads; none for one of another."""
    written = body.get("table", name) if isinstance(body, dict) else name
    text = ", ".join(map(str, written)) if isinstance(written, list) else str(written)
    try:
        found = split_tables(text)
    except ValueError:
        return (text,)
    if schema:
        return tuple(table.name if table.database in (None, schema) else str(table) for table in found)
    return tuple(table.name for table in found if table.database in (None, database))


def _named(text: str) -> list[str]:
    """The tables that a text names: itself, or the parts of one that are drafted together."""
    with suppress(ValueError):
        if ".." in text or ", " in text:
            return [table.name for table in split_tables(text)]
    return [text]


def _written(name: str) -> str:
    return name if re.fullmatch(r"[\w$-]+", name) else json.dumps(name, ensure_ascii=not name.isprintable())


def _unwritten(name: str) -> str:
    try:
        return str(json.loads(name)) if name.startswith('"') else name
    except ValueError:
        return name

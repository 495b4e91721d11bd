"""The keys of the files that the Node.js service wrote, made and read.

    data-aggregation/2026/11/20/aggregated_20261120_020000.json     all tables of a tick
    data-aggregation/2026/11/20/orders_20261120_020000.csv          one table

A template says where they lie; this one is the service's own. The stamp is a reading of the clock of the service's
process. A workbook ends in `.excel` there.
"""

import functools
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

NodeFormat = Literal["json", "csv", "excel"]
NODE_FORMATS: Final[tuple[NodeFormat, ...]] = get_args(NodeFormat)
DEFAULT_TEMPLATE: Final = "data-aggregation/{YYYY}/{MM}/{DD}/{name}_{stamp}.{ext}"
# What a file of all tables has in place of a table's name.
ALL_TABLES: Final = "aggregated"
_STAMP: Final = "%Y%m%d_%H%M%S"
_DAY: Final[Mapping[str, str]] = {"YYYY": "%Y", "MM": "%m", "DD": "%d"}
# By placeholder: what it may be in a key.
_PATTERNS: Final[Mapping[str, str]] = {
    "YYYY": r"\d{4}",
    "MM": r"\d{2}",
    "DD": r"\d{2}",
    "stamp": r"\d{8}_\d{6}",
    "name": r"[^/]+",
    "ext": "|".join(NODE_FORMATS),
}
_REQUIRED: Final = ("name", "stamp", "ext")
_PLACEHOLDER: Final = re.compile(r"\{(.*?)\}")


class NodeFile(NamedTuple):
    """What the key of a file says.

    Attributes:
        name: of the table, as one segment of a path; ALL_TABLES for the file of all tables.
        stamp: when its tick began, to the second.
        format: which is also how the key ends.
    """

    name: str
    stamp: datetime
    format: NodeFormat


def checked_template(template: str) -> str:
    """A template itself, after proof that its keys differ where the files do.

    Raises:
        ValueError: says what is missing, or what does not belong.
    """
    found = _PLACEHOLDER.findall(template)
    if unknown := [name for name in found if name not in _PATTERNS]:
        known = ", ".join(f"{{{name}}}" for name in _PATTERNS)
        raise ValueError(f"{{{unknown[0]}}} is no part of a key; parts are {known}")
    if missing := [name for name in _REQUIRED if name not in found]:
        raise ValueError(f"{{{missing[0]}}} is missing, so files would overwrite each other: {DEFAULT_TEMPLATE}")
    rest = _PLACEHOLDER.sub("x", template)
    if "{" in rest or "}" in rest:
        raise ValueError(f"a brace is never closed, or never opened: {DEFAULT_TEMPLATE}")
    if any(segment in ("", ".", "..") for segment in rest.split("/")) or "\\" in rest or not rest.isprintable():
        raise ValueError(
            f"folders with names and / between them are expected, and no / around them: {DEFAULT_TEMPLATE}"
        )
    return template


def key_of(file: NodeFile, zone: ZoneInfo, template: str = DEFAULT_TEMPLATE) -> str:
    """The key of a file; `zone` is that of the service's process."""
    local = file.stamp.astimezone(zone)
    values = {
        **{name: local.strftime(form) for name, form in _DAY.items()},
        "stamp": local.strftime(_STAMP),
        "name": file.name,
        "ext": file.format,
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def read_key(key: str, zone: ZoneInfo, template: str = DEFAULT_TEMPLATE) -> NodeFile | None:
    """What a key says; None for a key of another kind.

    Where a clock is set back, a stamp may mean two moments; the first of them is taken.
    """
    found = _pattern(template).fullmatch(key)
    if found is None:
        return None
    try:
        stamp = datetime.strptime(found["stamp"], _STAMP).replace(tzinfo=zone)
    except ValueError:
        return None
    if any(found[name] != stamp.strftime(form) for name, form in _DAY.items() if name in found.groupdict()):
        return None
    return NodeFile(found["name"], stamp, found["ext"])  # type: ignore[arg-type]  # the pattern has no other endings


def prefix_of(template: str = DEFAULT_TEMPLATE, day: date | None = None) -> str:
    """What all keys begin with; with a `day`, those of that day, as far as the template tells days apart."""
    known = {} if day is None else {name: day.strftime(form) for name, form in _DAY.items()}
    begin = 0
    parts = []
    for found in _PLACEHOLDER.finditer(template):
        parts.append(template[begin : found.start()])
        if found[1] not in known:
            return "".join(parts)
        parts.append(known[found[1]])
        begin = found.end()
    return "".join(parts)


@functools.lru_cache(maxsize=16)
def _pattern(template: str) -> re.Pattern[str]:
    parts, seen = [], set[str]()
    for position, part in enumerate(_PLACEHOLDER.split(template)):
        if position % 2 == 0:
            parts.append(re.escape(part))
        else:
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>{_PATTERNS[part]})")
            seen.add(part)
    return re.compile("".join(parts))

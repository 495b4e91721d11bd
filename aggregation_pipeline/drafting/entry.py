"""The entry of one table, with the comments that say why it is so."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from pydantic import TypeAdapter, ValidationError

from aggregation_pipeline.config.columns import SelectedField
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.config.sql.expressions import is_plain_word
from aggregation_pipeline.config.sql.mysql import MYSQL
from aggregation_pipeline.config.sql.shards import split_tables
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.config.yaml.writing import Commented, Node
from aggregation_pipeline.drafting.entry_names import entry_name, free_name
from aggregation_pipeline.drafting.families import Family
from aggregation_pipeline.drafting.personal_kinds import MASKS
from aggregation_pipeline.drafting.roles import Roles
from aggregation_pipeline.drafting.sampling import Sample
from aggregation_pipeline.drafting.words import Words
from aggregation_pipeline.source.catalogue import ColumnKind, Structure, Table

_FIELD: Final = TypeAdapter(SelectedField)
_LONGEST_COMMENT: Final = 60
_MOST_NAMES: Final = 8


@dataclass(frozen=True)
class Findings:
    """All that is known of a table.

    Attributes:
        times: columns that say when a row came to be, the best first.
        start: where the first window begins; None where no index begins with such a column.
        snapshots: whether its storage engine gives them.
        missing: parts of one table that are not there.
        differing: tables that seemed to be parts of it and have other columns.
        not_looked_at: a key of words.py: why no rows were read; empty if some were.
    """

    table: Table
    structure: Structure
    sample: Sample
    roles: Roles
    times: tuple[str, ...] = ()
    start: date | None = None
    snapshots: bool = True
    not_looked_at: str = ""
    missing: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()


def entry_of(
    found: Findings, words: Words, *, detail: bool, today: date, name: str = "", source: str | None = None
) -> Commented:
    """The entry as it is written: keys, values and comments; SQL in the dialect that is in use."""
    table, roles = found.table, found.roles
    name = name or entry_name(table.name)
    fields = {column: _as_column(column) for column in found.structure.columns if column not in roles.bytes}
    refused = [column for column, written in fields.items() if not _is_usable(written)]
    fields = {column: written for column, written in fields.items() if column not in refused}
    body: dict[str, Node] = {"source": source} if source else {}
    if isinstance(table, Family):
        texts = table.name.split(", ")
        body["table"] = texts if len(texts) > 1 else texts[0]
    elif table.written:
        body["table"] = table.written
    elif not _means(name, table.name):
        body["table"] = MYSQL.quote(table.name)
    if table.comment:
        body["description"] = table.comment
    if not found.snapshots:
        body["consistency"] = Commented("none", (words.say("no snapshots"),))
    if found.start is not None:
        window = {"column": fields[found.times[0]], "every": "day", "start": found.start.isoformat()}
        body["partition"] = Commented(window, (words.say("window", column=found.times[0]),))
    keys: list[Node] = [fields[key] for key in roles.keys if key in fields]
    body |= {"group_by": [*_day_key(found, fields), *keys], "aggregations": _aggregations(_merged(found), fields)}
    if not body["group_by"]:
        del body["group_by"]
    if detail and fields:
        body |= _detail(found, fields, refused, words)
    return Commented(body, tuple(_above(found, words, today)))


def _above(found: Findings, words: Words, today: date) -> list[str]:
    rows = words.say(found.table.rows_known, rows=found.table.rows)
    lines = [words.say("drafted", day=today.isoformat(), rows=rows), *_of_parts(found, words)]
    if found.not_looked_at:
        lines.append(words.say("not looked at", why=words.say(found.not_looked_at)))
    if found.times and found.start is None and isinstance(found.table, Family):
        lines.append(words.say("bare parts", column=found.times[0]))
    elif found.times and found.start is None and not found.table.is_view:
        column = _as_column(found.times[0])
        lines.append(words.say("no index", column=found.times[0]))
        lines.append(f"  partition: {{column: {column}, every: day, start: {today.replace(day=1).isoformat()}}}")
    return lines


def _of_parts(found: Findings, words: Words) -> list[str]:
    """What is said of tables that are read as one: how many they are, and what is left out."""
    if not isinstance(found.table, Family):
        return []
    left_out = {"gaps": found.missing, "differ": found.differing, "not merged": found.roles.people}
    return [
        words.say("family", count=len(found.table.parts)),
        *(words.say(key, names=some_of(names, _MOST_NAMES)) for key, names in left_out.items() if names),
    ]


def _merged(found: Findings) -> Roles:
    """The roles of columns; people are not counted over several tables, which cannot tell it together."""
    return replace(found.roles, people=()) if isinstance(found.table, Family) else found.roles


def _detail(found: Findings, fields: Mapping[str, str], refused: list[str], words: Words) -> dict[str, Node]:
    """The keys select_fields and mask."""
    above = []
    if found.roles.bytes:
        above.append(words.say("left out columns", names=", ".join(found.roles.bytes)))
    if refused:
        above.append(words.say("refused columns", names=", ".join(refused)))
    if not found.structure.primary_key:
        above.append(words.say("no key"))
    comments = {name: _shortened(column.comment) for name, column in found.structure.columns.items()}
    items: list[Node] = [
        Commented(written, beside=comments[name]) if comments[name] else written for name, written in fields.items()
    ]
    body: dict[str, Node] = {"select_fields": Commented(items, tuple(above))}
    if not found.structure.primary_key:
        body["order"] = "none"
    masks: dict[str, Node] = {}
    for name, personal in found.roles.personal.items():
        why = words.say(personal.said_by, kind=words.kind(personal.kind))
        masks[name] = Commented(MASKS[personal.kind], beside=why)
    masks = {name: rule for name, rule in masks.items() if name in fields}
    return {**body, "mask": Commented(masks, (words.say("hidden"),))} if masks else body


def _day_key(found: Findings, fields: Mapping[str, str]) -> list[Node]:
    """The day, as a key, where the table is not cut into days already and days need no time zone."""
    if found.start is not None or not found.times:
        return []
    column = found.structure.columns[found.times[0]]
    if column.kind is ColumnKind.DATE:
        return [fields[column.name]] if column.name in fields else []
    if column.kind is not ColumnKind.DATETIME or column.name not in fields:
        return []
    # No word of SQL that needs quotation marks has an underscore, but constants; PostgreSQL reads A as a.
    plain = re.fullmatch(r"[a-z]+(_[a-z]+)+", column.name) and is_plain_word(column.name)
    written = column.name if plain else quote(column.name)
    columns = {name.casefold() for name in fields}
    alias = "day" if "day" not in columns else free_name(f"{_letters(column.name)}_day", columns)
    return [{"expr": f"DATE({written})", "alias": alias}]


def _aggregations(roles: Roles, fields: Mapping[str, str]) -> list[Node]:
    figures: list[tuple[str, str, str]] = [
        *(("COUNT DISTINCT", name, "distinct") for name in roles.people),
        *(("SUM", name, "sum") for name in roles.sums),
        *(("AVG", name, "avg") for name in roles.averages),
    ]
    taken = {key.casefold() for key in roles.keys}
    rows = free_name("row_count", taken)
    taken.add(rows)
    written: list[Node] = [{"function": "COUNT", "alias": rows}]
    for function, name, prefix in figures:
        if name in fields:
            alias = free_name(f"{prefix}_{_letters(name)}", taken)
            taken.add(alias.casefold())
            written.append({"function": function, "field": fields[name], "alias": alias})
    return written


def _as_column(name: str) -> str:
    """A column as a list or a field holds it."""
    return name if is_plain_word(name) else quote(name)


def _is_usable(written: str) -> bool:
    try:
        _FIELD.validate_python(written)
    except ValidationError:
        return False
    return True


def _letters(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_") or "column"


def _means(text: str, table: str) -> bool:
    """Whether a text names the table without the key `table`."""
    try:
        return split_tables(text) == (TableName(None, table),)
    except ValueError:
        return False


def _shortened(comment: str) -> str:
    text = " ".join(comment.split())
    return text if len(text) <= _LONGEST_COMMENT else f"{text[: _LONGEST_COMMENT - 3]}..."

"""Which tables a draft leaves out unless somebody names them, and why: a key of words.py."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.sql.shards import split_tables
from aggregation_pipeline.drafting.families import (
    FEWEST_PARTS,
    Family,
    family_of,
    groups_of,
    names_of,
    split_known,
)
from aggregation_pipeline.drafting.personal_names import joined_words
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.source.catalogue import Table

_NAMES: Final[Mapping[str, re.Pattern[str]]] = {
    reason: re.compile(pattern)
    for reason, pattern in {
        "migration": (
            r"_migrations?_|_schema_(version|history|migrations)_|databasechangelog|_alembic_version_|"
            r"_sequelize_?meta_|_ar_internal_metadata_"
        ),
        "queue": (
            r"_(jobs?|queues?|tasks?_queue|outbox|inbox|failed_jobs|job_batches|dead_letters?|undo_log)_$|"
            r"^_(celery|qrtz|xxl_job|act_(ru|hi|ge|re|id|evt)|delayed_job|sidekiq|powerjob|hangfire)_|队列"
        ),
        "log": r"_(logs?|audits?|audit_trail|log_?entries|access_log|oper_log|logininfor|syslog|rizhi)_|日志",
        "session": (
            r"_(sessions?|caches?|cache_locks|csrf|captcha|password_resets?|password_reset_tokens|"
            r"personal_access_tokens|access_tokens?|refresh_tokens?|oauth_\w+|verification_codes?|sms_codes?)_$"
        ),
        "backup": (
            r"_(tmp|temp|bak|backup|copy|old|test|deleted|archive_tmp)_?\d*_$|^_(tmp|temp|bak|backup)_|"
            r"_(19|20)\d{6}_$|备份|临时"
        ),
    }.items()
}
_NUMBERED: Final = re.compile(r"(.*?)_?\d{1,6}")


class Units(NamedTuple):
    """What can be drafted, the largest first, parts of one table together; and by name why something is left out."""

    tables: list[Table]
    reasons: dict[str, str]


class Choice(NamedTuple):
    """Tables to draft, and by the reason the names of those that are left out."""

    taken: list[Table]
    left_out: dict[str, list[str]]

    def instead(self, taken: list[Table]) -> "Choice":
        """Return the choice with other tables taken, as somebody wants it."""
        names = {name for table in taken for name in (table.name, *names_of(table))}
        passed_over = [table.name for table in self.taken if table.name not in names]
        left_out = {
            reason: [name for name in found if name not in names]
            for reason, found in {**self.left_out, "chosen": passed_over}.items()
        }
        return Choice(taken, {reason: found for reason, found in left_out.items() if found})


def units_of(
    tables: Sequence[Table], knows: Callable[[str], bool], taken: Iterable[str] = (), *, shards: bool = True
) -> Units:
    """Put the parts of one table together, of those that are not known yet.

    Args:
        tables: of the database.
        knows: whether a table has been looked at before.
        taken: names that entries have.
        shards: whether tables of this kind of source can be read as one.
    """
    reasons = reasons_to_leave_out(tables, by_number=False)
    by_name = {table.name: table for table in tables}
    names = {name.casefold() for name in (*taken, *by_name)}
    families: list[Family] = []
    groups = groups_of(name for name in by_name if name not in reasons)
    for group, more in split_known(groups, knows) if shards else ():
        if more:
            reasons |= dict.fromkeys(more, "more parts")
        else:
            families.append(family_of(group, by_name, names))
            names.add(families[-1].title.casefold())
    by_time = {
        name for group in groups if group.is_by_time and len(group.names) >= FEWEST_PARTS for name in group.names
    }
    reasons |= dict.fromkeys(by_time, "by time")
    together = {name for family in families for name in family.parts}
    single = [table for table in tables if table.name not in together]
    numbered = reasons_to_leave_out(single)
    units = [*families, *single]
    return Units(sorted(units, key=lambda unit: -unit.weight), numbered | reasons)


def usual_choice(units: Units, knows: Callable[[str], bool], most: int) -> Choice:
    """Choose the largest tables, of those that are not known yet and that no reason leaves out."""
    tables, reasons = units
    left_out: dict[str, list[str]] = {}
    taken: list[Table] = []
    for table in tables:
        reason = reasons.get(table.name) or ("smaller" if len(taken) >= most else "")
        if not knows(table.name):
            if reason:
                left_out.setdefault(reason, []).append(table.name)
            else:
                taken.append(table)
    return Choice(taken, left_out)


def reasons_to_leave_out(tables: Iterable[Table], *, by_number: bool = True) -> dict[str, str]:
    """The reason for each table that is left out; with `by_number` also for the parts of one by their numbers."""
    tables = list(tables)
    numbered = tables if by_number else []
    parts = Counter(found[1] for table in numbered if (found := _NUMBERED.fullmatch(table.name)))
    found_reasons = {table.name: _reason(table, parts) for table in tables}
    return {name: reason for name, reason in found_reasons.items() if reason}


def _reason(table: Table, parts: Mapping[str, int]) -> str:
    if table.is_view:
        return "view"
    words = joined_words(table.name)
    for reason, pattern in _NAMES.items():
        if pattern.search(words):
            return reason
    if table.name.startswith("_"):
        return "backup"
    numbered = _NUMBERED.fullmatch(table.name)
    return "numbered" if numbered and parts[numbered[1]] >= FEWEST_PARTS else ""


def tables_named(names: Sequence[str], tables: Sequence[Table]) -> list[Table]:
    """The tables of these names, in this order; the case counts only where two differ in it alone.

    Parts of one table are named together by a range: orders_{00..15}.

    Raises:
        ConfigError: there is no such table, or this account may not see it.
    """
    exact = {table.name: table for table in tables}
    folded: dict[str, list[Table]] = {}
    for table in tables:
        folded.setdefault(table.name.casefold(), []).append(table)
    found = []
    for name in names:
        same = [exact[name]] if name in exact else folded.get(name.casefold(), []) or _family_named(name, exact)
        if len(same) != 1:
            raise ConfigError(
                f"{name}: the database has no such table, or this account may not read it.{did_you_mean(name, exact)}"
            )
        found += same
    return list(dict.fromkeys(found))


def _family_named(text: str, tables: Mapping[str, Table]) -> list[Table]:
    """The family that a name with a range means, if all of its tables are there."""
    try:
        names = [table.name for table in split_tables(text) if table.database is None]
    except ValueError:
        return []
    groups = groups_of(names)
    if len(groups) != 1 or len(groups[0].names) != len(names) or not tables.keys() >= set(names):
        return []
    return [family_of(groups[0], tables, {name.casefold() for name in tables})]

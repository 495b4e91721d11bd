"""The variables of a replaying server. All connections share them, which is enough for a test."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from aggregation_pipeline_tests.support.servers.packets import Column
from aggregation_pipeline_tests.support.servers.replies import Done, Error, Forward, Reply, ResultSet

_RENAMED = {"transaction_isolation": "tx_isolation", "transaction_read_only": "tx_read_only"}
# What the backend has to know as well, because it makes the rows.
_OF_ROWS = {"time_zone", "timestamp", "sql_mode", "tx_isolation", *_RENAMED}
_NAME = re.compile(r"@@(?:session\.|global\.)?(\w+)", re.IGNORECASE)


@dataclass
class ReplayedVariables:
    """Variables by name.

    Attributes:
        values: those that the backend lacks, or has with other values; None for one that only the backend has.
        alone: whether there are no others.
        capped: the greatest value that is kept.
        ignored: variables whose assignment is taken and not kept.
        settings: value and type of settings that a table shows (ClickHouse).
    """

    values: dict[str, str | None]
    alone: bool = False
    capped: Mapping[str, int] = field(default_factory=dict)
    ignored: Collection[str] = ()
    settings: dict[str, tuple[str, str]] = field(default_factory=dict)

    def reply_to(self, sql: str) -> Reply:
        """Answer a statement about variables; others are forwarded."""
        if match := re.fullmatch(r"SHOW VARIABLES WHERE Variable_name IN \((.*)\)", sql):
            return self._show(re.findall(r"'(\w+)'", match[1].lower()))
        if re.match(r"SHOW VARIABLES", sql) and self.alone:
            # seen: LIKE 'name', with the signs of a pattern escaped.
            return self._show([sql.partition("'")[2].rstrip("'").replace("\\", "").lower()])
        if "system.settings" in sql:
            if not self.settings:
                return Error(1109, "42S02", "Unknown table 'settings' in system")
            rows = [(name, *both) for name, both in self.settings.items()]
            return ResultSet([Column("name"), Column("value"), Column("type")], rows)
        if re.match(r"SET\s+(SESSION\s+|@)?\w+\s*=", sql):
            return self._set(sql)
        for name in _NAME.findall(sql):
            if self._is_missing(name.lower()):
                return Error(1193, "HY000", f"Unknown system variable '{name}'")
        return Forward(sql=_NAME.sub(self._value, sql))

    def _is_missing(self, name: str) -> bool:
        return self.values.get(name, None if self.alone else "") is None

    def _value(self, match: re.Match[str]) -> str:
        name = match[1].lower()
        if name in _RENAMED and name in self.values:
            return match[0].lower().replace(name, _RENAMED[name])
        value = self.values.get(name)
        return match[0] if value is None or name in _OF_ROWS else f"'{value}'"

    def _show(self, names: Collection[str]) -> Reply:
        ours = [(name, value) for name, value in self.values.items() if name in names]
        rows = [(name, value) for name, value in ours if value is not None]
        if self.alone:
            return ResultSet([Column("Variable_name"), Column("Value")], rows)
        return Forward(hidden=[name for name, _ in ours], more=rows)

    def _set(self, sql: str) -> Reply:
        """Keep the values of our variables, and forward the assignments that the backend needs."""
        rest = []
        for assignment in re.split(r",\s*(?=SESSION\s|@|\w+ = )", sql.removeprefix("SET ")):
            name, value = (part.strip() for part in assignment.removeprefix("SESSION ").split("=", 1))
            name = name.lower()
            if name in self.settings:
                self.settings[name] = (value, self.settings[name][1])
                continue
            if self.alone and not name.startswith("@") and self.values.get(name) is None:
                return Error(1193, "HY000", f"Unknown system variable '{name}'")
            if name in self.ignored:
                continue
            if name in self.values:
                most = self.capped.get(name)
                self.values[name] = str(min(int(value), most)) if most is not None else value.strip("'")
            if name in _RENAMED:
                rest.append(f"SESSION {_RENAMED[name]} = {value}")
            elif name not in self.values or name in _OF_ROWS:
                rest.append(assignment)
        return Forward(sql=f"SET {', '.join(rest)}") if rest else Done()

"""Keeps valid entries usable when others are invalid: each entry is checked alone.

An invalid entry becomes a placeholder, which keeps only the names and labels of its assets. Nothing that it would
compute is kept: if its mask is misspelt, the rest would be published unmasked. Other entries that its masks may concern
are not used either.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic.alias_generators import to_camel, to_snake

from aggregation_pipeline.config.issues import locate_issues
from aggregation_pipeline.config.mask_rules import exposures
from aggregation_pipeline.config.masked_columns import MaskedColumn, MaskedColumns
from aggregation_pipeline.config.messages.located_issues import LocatedIssue, format_key_path
from aggregation_pipeline.config.one_or_more import with_tuples
from aggregation_pipeline.config.option_conflicts import find_option_conflicts
from aggregation_pipeline.config.pipeline_config import PipelineConfig, masked_by_source
from aggregation_pipeline.config.possible_masks import (
    MASKING_KEYS,
    has_readable_masks,
    is_misplaced_mask,
    may_mask,
    possible_tables,
)
from aggregation_pipeline.config.source_kinds import is_kind
from aggregation_pipeline.config.sources import kind_of_entry, kinds_of_sources, limits_of_source
from aggregation_pipeline.config.sql.references import is_one_of
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.config.yaml.document import Document
from aggregation_pipeline.config.yaml.locations import ConfigIssue, SourceLocation, report_issues
from aggregation_pipeline.errors import ConfigError

# The key of the entries, in all its spellings.
TABLES: Final = ("tables", "tableConfigs", "table_configs")
# What decides which assets an entry has, and how Dagster shows them. A placeholder keeps those that are valid.
_ASSET_KEYS: Final = ("formats", "partition", "timezone")
_LABEL_KEYS: Final = ("table", "source", "platform", "description", "owners", "tags", "group")

Validate = Callable[[Document], tuple[PipelineConfig | None, list[ConfigIssue]]]


def with_placeholders(
    document: Document, issues: Sequence[ConfigIssue], validate: Validate, kinds: Mapping[str | None, str]
) -> tuple[PipelineConfig, dict[str, str]]:
    """The config with placeholders for invalid entries; and why some have no placeholder, by name of the entry.

    `kinds` are those of sources that variables name.

    Raises:
        ConfigError: issues that belong to no one entry.
    """
    key = next((key for key in document.data if key in TABLES), None) if isinstance(document.data, dict) else None
    if key is None or not isinstance(document.data[key], dict):
        raise ConfigError(report_issues(document.path, issues))
    entries = _EntryByEntry(document, key, validate, kinds_of_sources(document.data.get("sources"), kinds))
    entries.check_each(issues)
    entries.check_together(issues)
    entries.check_masks()
    return entries.result()


class _EntryByEntry:
    """Checks each entry without the others.

    Attributes:
        alone: the entries that are valid by themselves, without the project's options.
        valid: the entries without issues, with the project's options.
        issues: those of all other entries, by name.
        sources: of those other entries whose masks are known, by name; None is the database without a name.
        masked: what is masked, by source.
        kinds: of sources, by name, where they are no MySQL.
    """

    def __init__(self, document: Document, key: str, validate: Validate, kinds: Mapping[str | None, str]) -> None:
        self.document, self.key, self.validate, self.kinds = document, key, validate, kinds
        self.bodies: dict[str, Any] = document.data[key]
        self.locations: Mapping[str | int, SourceLocation] = document.location.children[key].children
        self.alone: dict[str, TableEntry] = {}
        self.valid: dict[str, TableEntry] = {}
        self.issues: dict[str, list[ConfigIssue]] = {}
        self.sources: dict[str, str | None] = {}
        self.masked: Mapping[str | None, MaskedColumns] = {}
        project, issues = validate(self._document_with([], ()))
        if project is None or issues:
            raise ConfigError(report_issues(document.path, issues))
        self.project = project

    def check_each(self, file_issues: Sequence[ConfigIssue]) -> None:
        """Check each entry alone, then with the project's options."""
        for name in self.bodies:
            config, issues = self.validate(self._document_with([name], ("options", "source_limits")))
            if config is not None and not issues:
                self.alone[name] = config.tables[0]
            # An issue between two entries stands at one of them.
            issues += [issue for issue in file_issues if self._is_of(issue, name) and issue not in issues]
            if config is None or issues:
                self.issues[name] = issues
                continue
            try:
                self.valid[name] = self.alone[name].with_project_defaults(
                    self.project.options,
                    limits_of_source(self.project.source_limits, self.project.sources, self.alone[name].source),
                )
            except ValueError as error:
                self._refuse(name, [LocatedIssue((), str(error))])

    def check_together(self, file_issues: Sequence[ConfigIssue]) -> None:
        """Refuse entries with options that they cannot follow.

        Raises:
            ConfigError: issues that belong to no one entry.
        """
        names = list(self.valid)
        entries = [self.alone[name] for name in names]
        rest = [issue for issue in file_issues if not any(self._is_of(issue, name) for name in self.bodies)]
        for issue in find_option_conflicts(self.project.options, entries, list(self.valid.values())):
            if issue.path[:1] == ("tables",):
                self._refuse(names[int(issue.path[1])], [LocatedIssue(issue.path[2:], issue.message)])
            # If entries are invalid, one of them may have the column that the total is for.
            elif issue.path[-1:] != ("totals",) or not self.issues:
                rest += locate_issues([issue], self.document.location, {})
        if rest:
            raise ConfigError(report_issues(self.document.path, rest))

    def check_masks(self) -> None:
        """Refuse entries that show what another entry masks, or may mask. Masks of invalid entries count too."""
        readable, possible = list(self.valid.values()), dict[str, frozenset[TableName]]()
        for name in self.issues:
            entry = self._entry_with_masks(name)
            if entry is None:
                possible[name] = self._possible_tables(name) if self._may_mask(name) else frozenset()
            else:
                readable.append(entry)
                self.sources[name] = entry.source
                # A key that it should not have may name another table.
                possible[name] = self._possible_tables(name) - set(entry.shards) if entry.mask else frozenset()
        self.masked = masked_by_source(readable)
        for name, entry in list(self.valid.items()):
            if shown := list(exposures(entry.query, self.masked[entry.source])):
                self._refuse(name, shown)
            elif (found := next(self._reads_of(entry, possible), None)) is not None:
                other, table = found
                message = (
                    f"it reads {table}, of which the entry {other} may hide columns, and that entry cannot be used:"
                    " correct that one first"
                )
                self._refuse(name, [LocatedIssue((), message)])

    def result(self) -> tuple[PipelineConfig, dict[str, str]]:
        """Valid entries and placeholders in the order of the file; and the reports of the others."""
        tables, left_out = [], {}
        for name in self.bodies:
            if name in self.valid:
                entry = self.valid[name]
                masked = self.masked[entry.source]
                tables.append(entry.model_copy(update={"masked": masked}) if masked else entry)
            elif (placeholder := self._placeholder(name)) is not None:
                tables.append(placeholder)
            else:
                left_out[name] = self._report(name)
        return self.project.model_copy(update={"tables": tuple(tables)}), left_out

    def _document_with(self, names: Sequence[str], without: Sequence[str]) -> Document:
        """The document as if it had only these entries, and none of the keys `without` beside them."""
        location = self.document.location.children[self.key]
        entries = SourceLocation(location.line, location.column, {name: self.locations[name] for name in names})
        others = [name for name in self.bodies if name not in names]
        data = {key: value for key, value in self.document.data.items() if to_snake(key) not in without}
        root = self.document.location
        return Document(
            self.document.path,
            {**data, self.key: {name: self.bodies[name] for name in names}},
            SourceLocation(root.line, root.column, {**root.children, self.key: entries}),
            [
                issue
                for issue in self.document.issues
                if not any(self._is_of(issue, name) for name in others)
                and not (without and not any(self._is_of(issue, name) for name in names))
            ],
        )

    def _is_of(self, issue: ConfigIssue, name: str) -> bool:
        """Whether an issue stands at the entry or below it."""
        return self._key_of(issue, name) is not None

    def _key_of(self, issue: ConfigIssue, name: str) -> str | None:
        """The entry's key at which an issue stands, or below which; empty for the entry itself, None outside of it."""
        rest = issue.message.removeprefix(format_key_path([self.key, name]))
        if rest == issue.message or rest[:1] not in {":", ".", "["}:
            return None
        return "" if rest[0] == ":" else to_snake(rest[1:].replace("[", ".").replace(":", ".").split(".")[0])

    def _refuse(self, name: str, issues: Sequence[LocatedIssue]) -> None:
        path = ("tables", list(self.bodies).index(name))
        in_file = [LocatedIssue((*path, *issue.path), issue.message) for issue in issues]
        self.valid.pop(name, None)
        located = locate_issues(in_file, self.document.location, {"tables": self.key})
        self.issues.setdefault(name, []).extend(located)

    def _report(self, name: str) -> str:
        return report_issues(self.document.path, self.issues[name], part=format_key_path([self.key, name]))

    def _values(self, name: str, fields: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """What the entry holds under the keys of some fields, in either spelling."""
        body = self.bodies[name]
        for field in fields if isinstance(body, dict) else ():
            yield from ((key, with_tuples(body[key])) for key in sorted({field, to_camel(field)}) if key in body)

    def _entry_with_masks(self, name: str) -> TableEntry | None:
        """The entry as far as it says what is masked; None if that part cannot be trusted."""
        if name in self.alone:
            return self.alone[name]
        keys = {self._key_of(issue, name) for issue in self.issues[name]}
        if (
            keys & {"", *MASKING_KEYS}
            or self._is_cut_off(name)
            or not has_readable_masks(with_tuples(self.bodies[name]))
        ):
            return None
        try:
            kept = {"name": name, **kind_of_entry(self.bodies[name], self.kinds)}
            return TableEntry.model_validate(kept | dict(self._values(name, MASKING_KEYS)), strict=True)
        except ValidationError:
            return None

    def _may_mask(self, name: str) -> bool:
        body = self.bodies[name]
        at_the_entry = any(self._key_of(issue, name) == "" for issue in self.issues[name])
        unreadable = at_the_entry or is_misplaced_mask(name, body) or self._is_cut_off(name)
        return unreadable or not isinstance(body, dict | None) or may_mask(with_tuples(body))

    def _possible_tables(self, name: str) -> frozenset[TableName]:
        """The tables whose columns it may mask.

        Raises:
            ConfigError: it may be any table, so no entry is known to be safe.
        """
        body = self.bodies[name]
        names_table = isinstance(body, dict) and "table" in body
        bad_table = "table" in {self._key_of(issue, name) for issue in self.issues[name]}
        if bad_table or is_misplaced_mask(name, body) or not (names_table or self._placeholder(name)):
            key = format_key_path([self.key, name])
            raise ConfigError(
                f"{self._report(name)}\nIt may hide columns of any table, so none can be used before it is corrected:"
                f" {key}."
            )
        return possible_tables(name, with_tuples(body))

    def _reads_of(
        self, entry: TableEntry, possible: Mapping[str, frozenset[TableName]]
    ) -> Iterator[tuple[str, TableName]]:
        """The invalid entries, and their tables, that an entry reads, also in a sub-select.

        The masked columns of such a table are not known, so any column counts.
        """
        for other, tables in possible.items():
            # One whose masks are not known may have any source.
            if self.sources.get(other, entry.source) != entry.source:
                continue
            for table in sorted(tables, key=str):
                any_column = {table: {"?": MaskedColumn("?", other)}}
                if is_one_of(table, entry.shards) or any(exposures(entry.query, any_column)):
                    yield other, table

    def _is_cut_off(self, name: str) -> bool:
        """Whether a part of it could not be read as YAML, and is lost."""
        return any(self._is_of(issue, name) for issue in self.document.issues)

    def _placeholder(self, name: str) -> TableEntry | None:
        """What stands for the entry in Dagster; None if no entry can have its name."""
        kept: dict[str, Any] = {"name": name, "line": self.locations[name].line}
        # Whatever kind it is of, it can be shown.
        kept |= {key: kind for key, kind in kind_of_entry(self.bodies[name], self.kinds).items() if is_kind(kind)}
        lost = []
        try:
            TableEntry.model_validate(kept, strict=True)
        except ValidationError:
            return None
        for field in (*_ASSET_KEYS, *_LABEL_KEYS):
            for key, value in self._values(name, [field]):
                try:
                    TableEntry.model_validate(kept | {key: value}, strict=True)
                except ValidationError:
                    lost += [field] if field in _ASSET_KEYS else []
                else:
                    kept[key] = value
        report = self._report(name)
        if lost:
            report += f"\nUntil this is corrected, its assets are shown without {' and '.join(lost)}."
        return TableEntry.model_validate(kept | {"issues": report}, strict=True)

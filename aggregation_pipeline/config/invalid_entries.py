"""Entries with issues of their own, so that the others can be used: each is judged alone, and what can be told of it
is kept.

What stays of such an entry is what its assets are called and look like. Nothing of what it would compute stays: with a
mask that is spelt wrong, what is left would be published unmasked. Other entries that its masks may concern are not
used either.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic.alias_generators import to_camel, to_snake

from aggregation_pipeline.config.cross_checks import cross_check
from aggregation_pipeline.config.issues import with_locations
from aggregation_pipeline.config.mask_rules import exposures, masked_by
from aggregation_pipeline.config.masked_columns import MaskedColumn, MaskedColumns, merge_masked
from aggregation_pipeline.config.messages.located_issues import LocatedIssue
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.sql.references import same_table
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.config.unreadable_masks import HIDING, hides_as_it_says, is_stray_mask, may_mask, tables_in
from aggregation_pipeline.config.yaml.document import ConfigIssue, Document, SourceLocation, format_key_path
from aggregation_pipeline.errors import ConfigError

# The seed's spelling of `tables`.
TABLES: Final = ("tables", "tableConfigs", "table_configs")
# What names and shows the assets of an entry. Where one of the first three cannot be read, the assets are others for
# the time being.
_SHAPE: Final = ("formats", "partition", "timezone")
_LOOKS: Final = ("table", "platform", "description", "owners", "tags", "group")

Judge = Callable[[Document], tuple[PipelineConfig | None, list[ConfigIssue]]]


def with_placeholders(
    document: Document, issues: Sequence[ConfigIssue], judge: Judge
) -> tuple[PipelineConfig, dict[str, str]]:
    """The config in which stand-ins are in the place of entries with `issues`; and the words of those that no
    stand-in can be made of.

    Raises:
        ConfigError: issues that belong to no one entry.
    """
    key = next((key for key in document.data if key in TABLES), None) if isinstance(document.data, dict) else None
    if key is None or not isinstance(document.data[key], dict):
        raise ConfigError(report(document.path, issues))
    whole = _Whole(document, key, judge)
    whole.judge_each(issues)
    whole.judge_together(issues)
    whole.judge_masks()
    return whole.result()


def report(path: Path, issues: Sequence[ConfigIssue], of: str | None = None) -> str:
    """All issues of the file, or those of one part of it, each with its place."""
    lines = [f"{path}:{issue.line}:{issue.column}: {issue.message}" for issue in sorted(set(issues))]
    what = path.name if of is None else f"{of} in {path.name}"
    return f"{what} cannot be used, {len(lines)} issue{'s' if len(lines) > 1 else ''}:\n" + "\n".join(lines)


def frozen(value: Any) -> Any:  # noqa: ANN401
    """Lists as tuples, which is what the models hold: strict, they take no list for one, whatever a validator before
    them made of it.
    """
    if isinstance(value, dict):
        return {key: frozen(inner) for key, inner in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, list) else value


class _Whole:
    """The file under judgement: `good` are the entries that nothing was found against, `found` has the issues of the
    others.
    """

    def __init__(self, document: Document, key: str, judge: Judge) -> None:
        self.document, self.key, self.judge = document, key, judge
        self.bodies: dict[str, Any] = document.data[key]
        self.spots: Mapping[str | int, SourceLocation] = document.spot.inner[key].inner
        self.alone: dict[str, TableEntry] = {}
        self.good: dict[str, TableEntry] = {}
        self.found: dict[str, list[ConfigIssue]] = {}
        self.masked: MaskedColumns = {}
        frame, wrong = judge(self._only([], ()))
        if frame is None or wrong:
            raise ConfigError(report(document.path, wrong))
        self.frame = frame

    def judge_each(self, issues: Sequence[ConfigIssue]) -> None:
        """Each entry without the others, and then within the project's options."""
        for name in self.bodies:
            config, wrong = self.judge(self._only([name], ("options", "source_limits")))
            if config is not None and not wrong:
                self.alone[name] = config.tables[0]
            # What is wrong between two entries stands at one of them.
            wrong += [issue for issue in issues if self._is_of(issue, name) and issue not in wrong]
            if config is None or wrong:
                self.found[name] = wrong
                continue
            try:
                self.good[name] = self.alone[name].with_project_defaults(self.frame.options, self.frame.source_limits)
            except ValueError as error:
                self._refuse(name, [LocatedIssue((), str(error))])

    def judge_together(self, issues: Sequence[ConfigIssue]) -> None:
        """Options that an entry cannot follow; whatever is nobody's own is the whole file's."""
        names = list(self.good)
        entries = [self.alone[name] for name in names]
        rest = [issue for issue in issues if not any(self._is_of(issue, name) for name in self.bodies)]
        for placed in cross_check(self.frame.options, entries, list(self.good.values())):
            if placed.path[:1] == ("tables",):
                self._refuse(names[int(placed.path[1])], [LocatedIssue(placed.path[2:], placed.message)])
            # A total may be of a column that only an entry with issues has.
            elif placed.path[-1:] != ("totals",) or not self.found:
                rest += with_locations([placed], self.document.spot, {})
        if rest:
            raise ConfigError(report(self.document.path, rest))

    def judge_masks(self) -> None:
        """Entries that show what another hides, or may hide: what it hides counts, though it cannot be used itself."""
        known, unknown = list(self.good.values()), dict[str, frozenset[TableName]]()
        for name in self.found:
            hides = self._hiding(name)
            if hides is None:
                unknown[name] = self._maybe_of(name) if self._may_hide(name) else frozenset()
            else:
                known.append(hides)
                # By a key that it should not have it may be of another table.
                unknown[name] = self._maybe_of(name) - {hides.source} if hides.mask else frozenset()
        self.masked = merge_masked(masked_by(entry.query) for entry in known)
        for name, entry in list(self.good.items()):
            if shown := list(exposures(entry.query, self.masked)):
                self._refuse(name, shown)
                continue
            # Nothing is known but the table: to read it, by itself or in a sub-select, may show anything.
            read = (
                (other, table)
                for other, tables in unknown.items()
                for table in sorted(tables, key=str)
                if same_table(entry.source, table)
                or any(exposures(entry.query, {table: {"?": MaskedColumn("?", other)}}))
            )
            if (found := next(read, None)) is not None:
                words = (
                    f"it reads {found[1]}, of which the entry {found[0]} may hide columns, and that entry cannot be"
                    " used: mend that one"
                )
                self._refuse(name, [LocatedIssue((), words)])

    def result(self) -> tuple[PipelineConfig, dict[str, str]]:
        """What can be used, in the order of the file."""
        tables, left_out = [], {}
        for name in self.bodies:
            if name in self.good:
                entry = self.good[name]
                tables.append(entry.model_copy(update={"masked": self.masked}) if self.masked else entry)
            elif (stand_in := self._stand_in(name)) is not None:
                tables.append(stand_in)
            else:
                left_out[name] = self._report(name)
        return self.frame.model_copy(update={"tables": tuple(tables)}), left_out

    def _only(self, names: Sequence[str], without: Sequence[str]) -> Document:
        """The document as if it had these entries only, and none of these keys beside them."""
        spot = self.document.spot.inner[self.key]
        fewer = SourceLocation(spot.line, spot.column, {name: self.spots[name] for name in names})
        others = [name for name in self.bodies if name not in names]
        data = {key: value for key, value in self.document.data.items() if to_snake(key) not in without}
        return Document(
            self.document.path,
            {**data, self.key: {name: self.bodies[name] for name in names}},
            SourceLocation(
                self.document.spot.line, self.document.spot.column, {**self.document.spot.inner, self.key: fewer}
            ),
            [
                issue
                for issue in self.document.issues
                if not any(self._is_of(issue, name) for name in others)
                and not (without and not any(self._is_of(issue, name) for name in names))
            ],
        )

    def _is_of(self, issue: ConfigIssue, name: str) -> bool:
        """Whether it stands at the entry, or below it."""
        return self._below(issue, name) is not None

    def _below(self, issue: ConfigIssue, name: str) -> str | None:
        """The entry's key that it stands at or below; empty at the entry itself, None where it is no issue of the
        entry.
        """
        path = format_key_path([self.key, name])
        rest = issue.message.removeprefix(path)
        if rest == issue.message or rest[:1] not in {":", ".", "["}:
            return None
        return "" if rest[0] == ":" else to_snake(rest[1:].replace("[", ".").replace(":", ".").split(".")[0])

    def _refuse(self, name: str, placed: Sequence[LocatedIssue]) -> None:
        where = [LocatedIssue(("tables", list(self.bodies).index(name), *each.path), each.message) for each in placed]
        self.good.pop(name, None)
        self.found.setdefault(name, []).extend(with_locations(where, self.document.spot, {"tables": self.key}))

    def _report(self, name: str) -> str:
        return report(self.document.path, self.found[name], of=format_key_path([self.key, name]))

    def _kept(self, name: str, fields: Sequence[str]) -> Iterator[tuple[str, Any]]:
        body = self.bodies[name]
        for field in fields if isinstance(body, dict) else ():
            yield from ((key, frozen(body[key])) for key in sorted({field, to_camel(field)}) if key in body)

    def _hiding(self, name: str) -> TableEntry | None:
        """The entry as far as it says what is hidden; None where that is not to be trusted."""
        if name in self.alone:
            return self.alone[name]
        places = {self._below(issue, name) for issue in self.found[name]}
        if places & {"", *HIDING} or self._is_cut(name) or not hides_as_it_says(frozen(self.bodies[name])):
            return None
        try:
            return TableEntry.model_validate({"name": name, **dict(self._kept(name, HIDING))}, strict=True)
        except ValidationError:
            return None

    def _may_hide(self, name: str) -> bool:
        body = self.bodies[name]
        at_the_entry = any(self._below(issue, name) == "" for issue in self.found[name])
        stray = is_stray_mask(name, body)
        return (
            at_the_entry or stray or self._is_cut(name) or not isinstance(body, dict | None) or may_mask(frozen(body))
        )

    def _maybe_of(self, name: str) -> frozenset[TableName]:
        """The tables whose columns it may hide.

        Raises:
            ConfigError: that cannot be told either, so nothing is sure to show none of them.
        """
        body = self.bodies[name]
        said = isinstance(body, dict) and "table" in body
        misread = "table" in {self._below(issue, name) for issue in self.found[name]}
        if misread or is_stray_mask(name, body) or not (said or self._stand_in(name)):
            words = (
                "It may hide columns of any table, so none can be used before it is mended:"
                f" {format_key_path([self.key, name])}"
            )
            raise ConfigError(f"{self._report(name)}\n{words}.")
        return tables_in(name, frozen(body))

    def _is_cut(self, name: str) -> bool:
        """Whether some of it could not be read as YAML, and is lost."""
        return any(self._is_of(issue, name) for issue in self.document.issues)

    def _stand_in(self, name: str) -> TableEntry | None:
        """What stands for the entry; None where nothing can have its name."""
        kept: dict[str, Any] = {"name": name, "line": self.spots[name].line}
        lost = []
        try:
            TableEntry.model_validate(kept, strict=True)
        except ValidationError:
            return None
        for field in (*_SHAPE, *_LOOKS):
            for key, value in self._kept(name, [field]):
                try:
                    TableEntry.model_validate(kept | {key: value}, strict=True)
                except ValidationError:
                    lost += [field] if field in _SHAPE else []
                else:
                    kept[key] = value
        words = self._report(name)
        if lost:
            words += f"\nUntil this is mended its assets are shown as without {' and '.join(lost)}."
        return TableEntry.model_validate(kept | {"issues": words}, strict=True)

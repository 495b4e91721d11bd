"""Compares the rows of both sides, key by key."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final, Literal

from aggregation_pipeline.comparison.matching import Matching
from aggregation_pipeline.comparison.results import MASKED, ColumnResult, Example, TableResult, shown
from aggregation_pipeline.comparison.row_store import RowStore, TextRow
from aggregation_pipeline.comparison.values.judging import Judge, Verdict

Side = Literal["ours", "old"]
# Rows of one key are paired with care up to here, and in their order beyond it.
_PAIRED: Final = 50


@dataclass
class Differing:
    """A key at which the sides differ, with what both have there: for whoever asks the database."""

    ours: TextRow | None
    old: TextRow | None
    examples: list[Example] = field(default_factory=list)


@dataclass
class RowComparison:
    """Compares all rows into a result.

    Attributes:
        most_examples: how many differences are kept.
        differing: the keys of these.
    """

    matching: Matching
    judge: Judge
    result: TableResult
    most_examples: int
    differing: list[Differing] = field(default_factory=list)

    def compare(self, rows: RowStore, progress: Callable[[int], None]) -> None:
        """Compare everything that the store has; `progress` hears the number of rows that are done."""
        self.result.columns = {column.name: ColumnResult() for column in self.matching.columns}
        done = 0
        for _, ours, old in rows.groups():
            for side, found in (("ours", ours), ("old", old)):
                if len(found) > 1:
                    self.result.duplicates[side] = self.result.duplicates.get(side, 0) + len(found) - 1
            for one, other in self._pairs(ours, old):
                self._compare(one, other)
            done += len(ours) + len(old)
            progress(done)

    def _pairs(self, ours: list[TextRow], old: list[TextRow]) -> Iterator[tuple[TextRow | None, TextRow | None]]:
        """Pair the rows of one key: those that are equal first, the rest in their order."""
        if len(ours) > 1 or len(old) > 1:
            if max(len(ours), len(old)) <= _PAIRED:
                for row in list(ours):
                    match = next((each for each in old if self._equal(row, each)), None)
                    if match is not None:
                        ours.remove(row)
                        old.remove(match)
                        yield row, match
            else:
                ours.sort(key=str)
                old.sort(key=str)
        yield from zip_longest(ours, old)

    def _equal(self, ours: TextRow, old: TextRow) -> bool:
        return all(verdict.equal for _, verdict in self._verdicts(ours, old))

    def _verdicts(self, ours: TextRow, old: TextRow) -> Iterator[tuple[int, Verdict]]:
        for place, column in enumerate(self.matching.columns):
            if ours[place] != old[place]:
                yield place, self.judge.verdict(column, ours[place], old[place])

    def _compare(self, ours: TextRow | None, old: TextRow | None) -> None:
        if ours is None or old is None:
            self._only_one(ours, old)
            return
        wrong: list[int] = []
        for place, verdict in self._verdicts(ours, old):
            found = self.result.columns[self.matching.columns[place].name]
            if verdict.note:
                found.notes[verdict.note] += 1
            if not verdict.equal:
                wrong.append(place)
                _count(found, verdict)
        if not wrong:
            self.result.equal_rows += 1
            return
        self.result.differing_rows += 1
        here = Differing(ours, old)
        for place in wrong:
            if self._is_full():
                break
            here.examples.append(self._example(place, ours, old))
            self.result.examples.append(here.examples[-1])
        if here.examples:
            self.differing.append(here)

    def _only_one(self, ours: TextRow | None, old: TextRow | None) -> None:
        side: Side = "old" if ours is None else "ours"
        if ours is None:
            self.result.only_old += 1
        else:
            self.result.only_ours += 1
        # Half of the room stays for values that differ, which say more.
        same = sum(1 for each in self.result.examples if each.side is not None)
        if not self._is_full() and same < max(1, self.most_examples // 2):
            example = Example(self._key(ours or old or [], side), side=side)
            self.result.examples.append(example)
            self.differing.append(Differing(ours, old, [example]))

    def _is_full(self) -> bool:
        return len(self.result.examples) >= self.most_examples

    def _example(self, place: int, ours: TextRow, old: TextRow) -> Example:
        column = self.matching.columns[place]
        hidden = bool(column.mask)
        return Example(
            self._key(ours, "ours"), column.name, shown(ours[place]), MASKED if hidden else shown(old[place])
        )

    def _key(self, row: Sequence[str | None], side: Side) -> dict[str, str | None]:
        if self.matching.one_row:
            return {}
        places = self.matching.keys or range(len(self.matching.columns))
        return {
            self.matching.columns[place].name: (
                MASKED if side == "old" and self.matching.columns[place].mask else shown(row[place])
            )
            for place in places
        }


def _count(found: ColumnResult, verdict: Verdict) -> None:
    found.differing += 1
    if verdict.late is not None:
        # Bounded: who is late by many times is not in another time zone.
        if len(found.late) < 100 or verdict.late in found.late:
            found.late[verdict.late] += 1
    elif verdict.relative is not None:
        found.relative = max(found.relative, verdict.relative)
        found.rises += bool(verdict.rises)
    else:
        found.unlike += 1

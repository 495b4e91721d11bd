"""The sensor that runs partitions again which got rows after they were published.

Each table with `refresh` is asked once in a while, in one statement, for the key of each partition of its look-back. A
run keeps the key that it saw in its own snapshot with the manifest, so a row that comes at any later moment is noticed.
What a tick does not get done is done by the next one: a tick ends in time whatever servers do.

No postponed annotations here: Dagster reads the annotation of a sensor's context.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from aggregation_pipeline.automation.job_groups import Group
from aggregation_pipeline.automation.refresh_windows import Choice, Due
from aggregation_pipeline.automation.refreshed_tables import RefreshedTable, refreshed_tables
from aggregation_pipeline.automation.run_requests import over_range
from aggregation_pipeline.config.durations import parse_duration
from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.errors import PipelineError, SourceLostError
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.runs.refresh_cursor import REFRESH, Asked, RefreshCursor
from aggregation_pipeline.runs.tags import ASSET_PARTITION_RANGE_END_TAG, REFRESH_TAG

_INTERVAL_SECONDS: Final = 60
# Dagster gives a sensor a minute. No table is begun with less time left than one may need.
_TICK_SECONDS: Final = 40.0
_LEAST_SECONDS: Final = 8.0
_MOST_SECONDS_OF_TABLE: Final = 20.0
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
# All tables of a tick together.
MOST_RUNS: Final = 20
# A tick names so many tables; the cursor has all of them.
_SHOWN: Final = 10


# Returns what of a table is launched now. Raises PipelineError, if a server or the entry does not let it.
Look = Callable[[DagsterInstance, RefreshedTable, datetime, float], Choice]


def build_refresh(
    groups: Sequence[Group], jobs: Sequence[UnresolvedAssetJobDefinition], publisher: Publisher
) -> list[SensorDefinition]:
    """Build the sensor, running from the start; none where no table has `refresh`.

    Args:
        groups: of all tables.
        jobs: of the groups.
        publisher: where the tables are published.
    """
    tables = refreshed_tables(groups)
    if not tables:
        return []
    names = {table.group.name for table in tables}

    def evaluate(context: SensorEvaluationContext) -> SensorResult:
        from aggregation_pipeline.automation.refresh_look import look_at

        def look(instance: DagsterInstance, table: RefreshedTable, now: datetime, seconds: float) -> Choice:
            return look_at(instance, table, publisher, now=now, seconds=seconds)

        tick = RefreshTick(context.instance, RefreshCursor.read(context.cursor), look, context.log)
        return tick.run(tables, datetime.now(UTC))

    return [
        SensorDefinition(
            tables[0].table.scope.named(REFRESH),
            evaluation_fn=evaluate,
            jobs=[job for job in jobs if job.name in names],
            minimum_interval_seconds=_INTERVAL_SECONDS,
            default_status=DefaultSensorStatus.RUNNING,
            description="Runs partitions again whose rows have changed since they were published, as refresh says.",
        )
    ]


class RefreshTick:
    """One tick of the sensor.

    Attributes:
        cursor: which tables were asked when, and what came of it.
    """

    def __init__(self, instance: DagsterInstance, cursor: RefreshCursor, look: Look, log: logging.Logger) -> None:
        self.cursor = cursor
        self._instance, self._look, self._log = instance, look, log
        self._end = time.monotonic() + _TICK_SECONDS

    def run(self, tables: Sequence[RefreshedTable], now: datetime) -> SensorResult:
        """Ask the tables whose turn it is, the one first that has waited longest, and launch what has moved."""
        self.cursor.keep_only({table.name for table in tables})
        requests: list[RunRequest] = []
        # Servers that did not answer are not asked again in this tick: each would take its time.
        away: set[tuple[str | None, str]] = set()
        asked = 0
        for table in sorted(tables, key=lambda table: self.cursor.of(table.name).at or _NEVER):
            left = self._end - time.monotonic()
            if left < _LEAST_SECONDS or len(requests) >= MOST_RUNS:
                break
            server = (table.table.entry.source, table.table.database)
            if not self._is_turn(table, now) or server in away:
                continue
            asked += 1
            choice = self._try(table, now, min(left - 2, _MOST_SECONDS_OF_TABLE))
            if isinstance(choice, PipelineError):
                is_away = isinstance(choice, SourceLostError)
                away |= {server} if is_away else set()
                self._note_problem(table, str(choice), None if is_away else now)
                continue
            made = list(run_requests(table, choice))
            taken = made[: MOST_RUNS - len(requests)]
            requests += [request for request, _ in taken]
            self._note(table, choice, now, taken=len(taken), launched=sum(size for _, size in taken))
        return self._result(requests, asked)

    def _try(self, table: RefreshedTable, now: datetime, seconds: float) -> Choice | PipelineError:
        try:
            return self._look(self._instance, table, now, seconds)
        except PipelineError as error:
            # Returned, because what is logged while an error is handled shows its traceback.
            return error

    def _is_turn(self, table: RefreshedTable, now: datetime) -> bool:
        before, refresh = self.cursor.of(table.name), table.table.entry.refresh
        if before.at is None or before.again:
            return True
        # A clock that was ahead for a while must not stop the table until that time comes.
        return refresh is not None and abs(now - before.at) >= parse_duration(refresh.every)

    def _note_problem(self, table: RefreshedTable, problem: str, at: datetime | None) -> None:
        """Keep what is wrong, and log it if it was not wrong before; without `at`, the next tick asks again."""
        before = self.cursor.of(table.name)
        if before.problem != problem:
            self._log.error("%s: %s", table.name, problem)
        asked = replace(before, at=at or before.at, again=at is None, launched=0, problem=problem)
        self.cursor.set(table.name, asked)

    def _note(self, table: RefreshedTable, choice: Choice, now: datetime, *, taken: int, launched: int) -> None:
        before, problem = self.cursor.of(table.name), ""
        if choice.given_up:
            problem = (
                f"runs over {', '.join(choice.given_up)} failed again and again. They are not launched any more, until"
                " their rows change once more or somebody runs them: see why the last one failed"
            )
        if problem and problem != before.problem:
            self._log.warning("%s: %s", table.name, problem)
        if not problem and before.problem:
            self._log.info("%s: is asked again without a problem", table.name)
        if choice.unknown and not before.unknown:
            self._log.info(
                "%s: %d published partitions have no key that can be compared, because `refresh` is new or has changed;"
                " they are run once more, a few each time",
                table.name,
                choice.unknown,
            )
        left_out = choice.waiting + sum(map(len, choice.stretches)) - launched
        asked = Asked(
            now,
            again=left_out > 0,
            windows=choice.windows,
            launched=launched,
            waiting=left_out + choice.paused,
            since=(before.since or now) if left_out + choice.paused else None,
            unknown=choice.unknown,
            problem=problem,
        )
        if launched or asked.waiting:
            self._log.info(
                "%s: of %d windows %d are launched again, in %d runs, and %d wait%s",
                table.name,
                asked.windows,
                launched,
                taken,
                asked.waiting,
                f", {choice.paused} of them because their last run failed" if choice.paused else "",
            )
        self.cursor.set(table.name, asked)

    def _result(self, requests: Sequence[RunRequest], asked: int) -> SensorResult:
        if requests:
            return SensorResult(run_requests=requests, cursor=self.cursor.write())
        said = f"{asked} tables asked, no partition to run again"
        if waiting := [f"{name} {count}" for name, count in self.cursor.waiting.items()]:
            said += f". Windows that wait: {some_of(waiting, _SHOWN)}"
        if problems := [f"{name}: {problem}" for name, problem in self.cursor.problems.items()]:
            said += f". {some_of(problems, _SHOWN, separator='; ')}"
        return SensorResult(skip_reason=SkipReason(said), cursor=self.cursor.write())


def run_requests(table: RefreshedTable, choice: Choice) -> Iterator[tuple[RunRequest, int]]:
    """Yield the runs of a choice, and how many partitions each is over, as many as `backfill` of the entry says.

    The oldest partitions come first.
    """
    entry, partitions = table.table.entry, table.table.partitions
    if partitions is None:
        return
    for stretch in choice.stretches:
        rest = list(stretch)
        for spec in over_range(entry.name, partitions, entry.backfill, rest[0].key, rest[-1].key):
            last = spec.partition or spec.tags[ASSET_PARTITION_RANGE_END_TAG]
            size = [each.key for each in rest].index(last) + 1
            part, rest = rest[:size], rest[size:]
            request = RunRequest(
                run_key=_run_key(entry.name, part),
                job_name=table.group.name,
                partition_key=spec.partition,
                tags={**spec.tags, REFRESH_TAG: entry.name},
                asset_selection=table.table.keys.every(table.table.formats),
            )
            yield request, size


def _run_key(table: str, part: Sequence[Due]) -> str:
    """What two ticks have in common that find the same partitions in the same state: Dagster launches one run."""
    if len(part) == 1:
        (due,) = part
        return f"{table} {due.key} {due.state} {due.tries}"
    states = hashlib.blake2b(" ".join(each.state for each in part).encode(), digest_size=6).hexdigest()
    return f"{table} {part[0].key}..{part[-1].key} {states}"

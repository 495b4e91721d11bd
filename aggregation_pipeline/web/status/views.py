"""Makes the answers of `/status` and `/status/{batchJobId}` of what was read."""

from datetime import datetime
from typing import Any

from starlette.requests import HTTPConnection

from aggregation_pipeline.overview.batches import Batch, BatchDetail, BatchPage
from aggregation_pipeline.overview.kept import Known
from aggregation_pipeline.overview.run_detail import RunDetail
from aggregation_pipeline.overview.snapshot import DAYS, Snapshot
from aggregation_pipeline.web.common.answers import moment_text
from aggregation_pipeline.web.common.file_links import FileLinks
from aggregation_pipeline.web.common.links import batch_link, run_link
from aggregation_pipeline.web.status import answers
from aggregation_pipeline.web.status.batch_answers import (
    BatchAnswer,
    CheckAnswer,
    ErrorAnswer,
    FileAnswer,
    PlatformAnswer,
    StagesAnswer,
)


class SnapshotView:
    """Renders snapshots. Many ask for the same one, which is rendered once."""

    def __init__(self, deployment: str) -> None:
        self._deployment = deployment
        self._rendered: tuple[Snapshot, str, bytes] | None = None

    def render(self, known: Known[Snapshot], batches: answers.BatchList, connection: HTTPConnection) -> bytes:
        """Return a `StatusAnswer` as JSON."""
        root = str(connection.scope.get("root_path", ""))
        if self._rendered is None or self._rendered[0] is not known.value or self._rendered[1] != root:
            overview = _overview(known.value, connection, self._deployment)
            self._rendered = known.value, root, overview.model_dump_json(by_alias=True).encode()
        rest = f',"ageSeconds":{known.age:.3f},"batches":{batches.model_dump_json(by_alias=True)}}}'
        return self._rendered[2].removesuffix(b"}") + rest.encode()


def batch_list(page: BatchPage, connection: HTTPConnection, deployment: str) -> answers.BatchList:
    """Return a page of batches."""
    return answers.BatchList(
        items=[_summary(batch, connection, deployment) for batch in page.batches],
        next=page.end and page.end.to_text(),
    )


def whole_answer(
    detail: BatchDetail, run: RunDetail, links: FileLinks, connection: HTTPConnection, deployment: str
) -> BatchAnswer:
    """Return one batch with everything that is known of it. Signing links may take a while."""
    platforms = [
        PlatformAnswer(
            **{
                **_fields(platform),
                "files": [FileAnswer(**_fields(file), link=links.of(connection, file.uri)) for file in platform.files],
            }
        )
        for platform in detail.platforms
    ]
    return BatchAnswer(
        **_fields(_summary(detail.batch, connection, deployment)),
        wait_seconds=detail.wait_seconds,
        run_seconds=detail.run_seconds,
        table_seconds=detail.table_seconds,
        tables=platforms,
        errors=[ErrorAnswer.model_validate(error) for error in detail.errors],
        windows=[StagesAnswer.model_validate(window) for window in run.windows],
        checks=[CheckAnswer.model_validate(check) for check in run.checks],
        mirror_error=detail.mirror_error,
    )


def _fields(value: object) -> dict[str, Any]:
    """The fields of a dataclass or a model, without copies of what is in them."""
    return dict(vars(value))


def _summary(batch: Batch, connection: HTTPConnection, deployment: str) -> answers.BatchSummary:
    fields = _fields(batch)
    # Dagster's UI here shows runs of this deployment only.
    run = run_link(connection, batch.run_id) if batch.run_id and batch.deployment == deployment else None
    fields |= {"batch_job_id": batch.id, "total_items": batch.items}
    links = answers.BatchLinks(self=batch_link(connection, batch.id), run=run)
    return answers.BatchSummary(
        **{name: fields[name] for name in answers.BatchSummary.model_fields if name != "links"}, links=links
    )


def _overview(snapshot: Snapshot, connection: HTTPConnection, deployment: str) -> answers.Overview:
    figures = snapshot.figures
    last, failed = next(iter(snapshot.newest.batches), None), snapshot.last_failed
    switched_on = [schedule for schedule in snapshot.schedules if not schedule.stopped]
    ended = figures.completed + figures.failed
    times = {
        "last_run": None if last is None else _as_javascript(last.created_at),
        "next_run": _as_javascript(min((schedule.at for schedule in switched_on), default=None)),
    }
    word = "running" if figures.running else "idle" if switched_on or not snapshot.schedules else "stopped"
    return answers.Overview(
        status=answers.ServiceStatus(status=word, is_running=figures.running > 0, **times),
        **times,
        running=figures.running,
        queued=figures.queued,
        open_batches=[_summary(batch, connection, deployment) for batch in snapshot.open_batches],
        figures=answers.Figures(
            since=figures.oldest,
            days=DAYS,
            completed=figures.completed,
            failed=figures.failed,
            success_rate=round(figures.completed / ended, 4) if ended else None,
            average_items=figures.avg_items and round(figures.avg_items, 1),
            average_seconds=figures.avg_seconds and round(figures.avg_seconds, 3),
        ),
        last_error=failed
        and answers.LastError(
            batch_job_id=failed.id, table=failed.error_table, text=failed.error, at=failed.completed_at
        ),
        config_usable=snapshot.config_usable,
        schedules=[
            answers.Schedule.model_validate({**_fields(each), "name": each.schedule, "next_tick": each.at})
            for each in snapshot.schedules
        ],
        tables=[answers.TableStatus.model_validate(table) for table in snapshot.tables],
    )


def _as_javascript(moment: datetime | None) -> str | None:
    return None if moment is None else moment_text(moment)

"""What is answered of a request: made of its outcome."""

from collections.abc import Mapping, Sequence

from fastapi import Request

from aggregation_pipeline.launching.launcher import Launched
from aggregation_pipeline.launching.outcome import Outcome
from aggregation_pipeline.launching.plan import Plan, PlannedRun
from aggregation_pipeline.runs.results import RunResult
from aggregation_pipeline.web.aggregate.models import (
    AggregateAnswer,
    OldResult,
    OldSummary,
    OldTable,
    PlanAnswer,
    PlannedBatch,
    PublishedFile,
    RequestedBatch,
    RequestLinks,
    SkippedTable,
    TableOutcome,
)
from aggregation_pipeline.web.aggregate.refusals import links_to
from aggregation_pipeline.web.common.answers import now_text
from aggregation_pipeline.web.common.links import link

_MESSAGES: Mapping[str, str] = {
    "pending": "in the queue",
    "in_progress": "at work",
    "completed": "completed",
    "failed": "failed",
}


def answer_plan(plan: Plan) -> PlanAnswer:
    """Return the answer of a dry run."""
    runs = len(plan.runs)
    return PlanAnswer(
        message=f"This would be {runs} {'run' if runs == 1 else 'runs'}. Nothing was launched",
        timestamp=now_text(),
        batches=[
            PlannedBatch(
                job=run.job,
                tables=run.tables,
                windows=run.windows,
                partition=run.partition,
                first=run.first,
                to=run.last,
            )
            for run in plan.runs
        ],
        skipped=_skipped(plan.skipped),
    )


def answer_request(request: Request, launched: Launched, outcome: Outcome) -> AggregateAnswer:
    """Return the answer of a request in any state."""
    stored, result = launched.request, outcome.result
    is_over = outcome.status in {"completed", "failed"}
    return AggregateAnswer(
        success=outcome.error is None,
        message=f"Aggregation {_MESSAGES[outcome.status]}",
        error=outcome.error,
        timestamp=now_text(),
        status=outcome.status,
        request_id=str(stored.id),
        batch_job_id=outcome.runs[0].run_id,
        replayed=launched.replayed,
        batches=[_batch(request, state.planned, state.run_id, state.status) for state in outcome.runs],
        skipped=_skipped(stored.plan.skipped),
        links=RequestLinks(self_=link(request, "aggregate", str(stored.id))),
        **(_results(result) if is_over and result else {}),
    )


def _batch(request: Request, run: PlannedRun, run_id: str, status: str) -> RequestedBatch:
    return RequestedBatch.model_validate(
        {
            "batch_job_id": run_id,
            "status": status,
            "tables": run.tables,
            "partition": run.partition,
            "first": run.first,
            "to": run.last,
            "links": links_to(request, run_id),
        }
    )


def _skipped(reasons: Mapping[str, str]) -> Sequence[SkippedTable]:
    return [SkippedTable(table=name, reason=reason) for name, reason in reasons.items()]


def _results(result: RunResult) -> dict[str, object]:
    """Return the fields that `run --json` prints too, and what the Node service answered."""
    tables = {
        name: TableOutcome.model_validate({"status": table.status, "items": table.items, "error": table.error})
        for name, table in result.tables.items()
    }
    done = [name for name, table in tables.items() if table.status == "completed"]
    not_done = [name for name, table in tables.items() if table.status == "failed"]
    return {
        "total_items": result.total_items,
        "tables": tables,
        "files": [PublishedFile.model_validate(file) for file in result.files],
        "result": OldResult(
            timestamp=now_text(),
            tables={
                name: OldTable(success=table.status == "completed", record_count=table.items, error=table.error)
                for name, table in tables.items()
            },
            summary=OldSummary(
                total_tables=len(tables),
                total_records=result.total_items,
                success_count=len(done),
                error_count=len(not_done),
            ),
            output_files=[file["uri"] for file in result.files],
        ),
    }

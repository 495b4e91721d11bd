"""`POST /aggregate` and `GET /aggregate/{id}`: launch tables, and see what has become of it."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.permissions import Permissions
from fastapi import APIRouter, Header, HTTPException, Path, Query, Request, Response

from aggregation_pipeline.launching.launcher import Launched
from aggregation_pipeline.launching.plan import LaunchRequest
from aggregation_pipeline.launching.requests import KEPT_DAYS
from aggregation_pipeline.project import Project
from aggregation_pipeline.settings.base import LONGEST_WAIT_SECONDS, Settings
from aggregation_pipeline.web.aggregate.answers import answer_plan, answer_request
from aggregation_pipeline.web.aggregate.models import AggregateAnswer, AggregateRequest, PlanAnswer, Refused
from aggregation_pipeline.web.aggregate.refusals import ANSWERS, RefusingRoute
from aggregation_pipeline.web.aggregate.service import AggregateService
from aggregation_pipeline.web.common.principal import principal_of

_WAIT: Final = "Answer after the work, or after so many seconds. AGGREGATE_WAIT_SECONDS is the default."
_KEY: Final = (
    f"Any text. A repeat with the same text launches nothing more, and answers of the first request; for {KEPT_DAYS}"
    " days. It has to ask for the same."
)
_LAUNCHED: Final[Mapping[int | str, dict[str, Any]]] = {
    **ANSWERS,
    200: {"model": AggregateAnswer | PlanAnswer, "description": "The work is done, or `dryRun` was asked for."},
    202: {"model": AggregateAnswer, "description": "The runs are in the queue or at work."},
    500: {"model": AggregateAnswer | Refused, "description": "Only with `wait`: a run has failed."},
}
_SHOWN: Final[Mapping[int | str, dict[str, Any]]] = {
    **{status: ANSWERS[status] for status in (403, 422, 503)},
    404: {"model": Refused, "description": f"Nobody has made it in the last {KEPT_DAYS} days."},
    500: {"model": Refused, "description": "Something unexpected."},
}


def aggregate_router(settings: Settings, context: WorkspaceProcessContext, project: Callable[[], Project]) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter(tags=["aggregate"], route_class=RefusingRoute)
    service = AggregateService(settings, context, project)

    @router.post(
        "/aggregate",
        status_code=202,
        response_model=AggregateAnswer | PlanAnswer,
        response_model_exclude_none=True,
        responses={**_LAUNCHED},
    )
    async def aggregate(
        request: Request,
        response: Response,
        body: AggregateRequest | None = None,
        wait: Annotated[int | None, Query(ge=0, le=LONGEST_WAIT_SECONDS, description=_WAIT)] = None,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255, description=_KEY)] = None,
    ) -> AggregateAnswer | PlanAnswer:
        """Run tables: all of them without a body. Tables with different schedules or partitions become several runs.

        The runs go through Dagster's queue, like runs that are launched by hand, and go on if you close the connection.
        """
        _require_launches(request, context)
        _refuse_unknown(request)
        asked = _launch_request(body or AggregateRequest.model_validate({}))
        if body is not None and body.dry_run:
            response.status_code = 200
            return answer_plan(await service.plan(asked))
        seconds = settings.aggregate_wait_seconds if wait is None else wait
        launched = await service.launch(asked, principal_of(request).name, idempotency_key, seconds)
        found = await service.outcome(launched.request)
        if found.status in {"completed", "failed"}:
            response.status_code = 500 if seconds and found.status == "failed" else 200
        return answer_request(request, launched, found)

    @router.get(
        "/aggregate/{id}",
        response_model_exclude_none=True,
        responses={**_SHOWN},
    )
    async def show(
        request: Request, request_id: Annotated[UUID, Path(alias="id", description="`requestId` of the answer.")]
    ) -> AggregateAnswer:
        """What has become of a request: its runs, and their results once all have ended."""
        stored = await service.find(request_id)
        if stored is None:
            raise HTTPException(404, f"nobody has made the request {request_id} in the last {KEPT_DAYS} days")
        return answer_request(request, Launched(stored, replayed=False), await service.outcome(stored))

    return router


def _launch_request(body: AggregateRequest) -> LaunchRequest:
    return LaunchRequest(
        None if body.tables is None else tuple(body.tables),
        None if body.formats is None else tuple(body.formats),
        body.at,
        body.partition or body.first,
        body.partition or body.to,
    )


def _refuse_unknown(request: Request) -> None:
    """Refuse parameters that there are not: whoever writes ?dryRun=true wants anything but all tables to be run."""
    unknown = sorted({*request.query_params} - {"wait"})
    if unknown:
        raise HTTPException(
            422, f"{', '.join(unknown)[:200]}: unknown parameter; there is wait. All else belongs into the body"
        )
    if len(request.headers.getlist("idempotency-key")) > 1:
        raise HTTPException(422, "there are two Idempotency-Keys")


def _require_launches(request: Request, context: WorkspaceProcessContext) -> None:
    """Refuse where nobody may launch, whatever their role: behind a webserver that only shows."""
    if not context.create_request_context(request).has_permission(Permissions.LAUNCH_PIPELINE_EXECUTION):
        raise HTTPException(403, "runs may not be launched here: Dagster's UI is read-only")

"""How requests are read, and what is answered to those that are refused: always `{success: false, message, error}`."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from aggregation_pipeline.errors import ConfigError, LaunchError, NotReadyError, UnfinishedError
from aggregation_pipeline.runs.redaction import redacted
from aggregation_pipeline.web.aggregate.models import AggregateRequest, BatchLinks, OpenBatch, Refused
from aggregation_pipeline.web.common.bounded_body import read_body
from aggregation_pipeline.web.common.links import batch_link, run_link

_log: Final = logging.getLogger(__name__)
# The names of thousands of tables have room in it.
MOST_BYTES: Final = 256 * 1024
RETRY_SECONDS: Final = 5
_STOPPING: Final = (
    "The web process is being stopped. Runs that are launched go on: GET /aggregate/{id} says what becomes of them, and"
    " so does the same request with the same Idempotency-Key"
)
_KEYS: Final = ", ".join(field.alias or name for name, field in AggregateRequest.model_fields.items())
_MESSAGES: Final[Mapping[int, str]] = {
    400: "The request cannot be read",
    403: "The request is not allowed",
    404: "There is no such request",
    409: "Nothing was launched: what was asked for is being done already",
    413: "The request is too large",
    415: "The request cannot be read",
    422: "The request cannot be done",
    500: "The request has failed",
    503: "The request cannot be done for the moment",
}
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": Refused, "description": "The body is no JSON."},
    403: {"model": Refused, "description": "Who asks may not do this."},
    409: {"model": Refused, "description": "An unfinished run writes a window of the request. Nothing was launched."},
    413: {"model": Refused, "description": "The body is too large."},
    415: {"model": Refused, "description": "The body is not said to be JSON."},
    422: {"model": Refused, "description": "A key, table, format, time or partition that there is not."},
    503: {
        "model": Refused,
        "description": "PostgreSQL or the code server does not answer, or has not loaded the configuration yet; or the"
        " web process is being stopped.",
        "headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}},
    },
}  # fmt: skip


class RefusingRoute(APIRoute):
    """A route whose body is bounded, and whose refusals are all of one kind."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler with ours around it."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(await _with_bounded_body(request))
            except asyncio.CancelledError:
                # uvicorn ends, and would answer 500, as if a run had failed.
                return _refuse(503, _STOPPING)
            except Exception as error:  # noqa: BLE001 - people and scripts get one kind of answer
                return _answer(request, error)

        return handle


def _answer(request: Request, error: Exception) -> JSONResponse:
    match error:
        case RequestValidationError():
            is_no_json = any(each["type"] == "json_invalid" for each in error.errors())
            refused = 400 if is_no_json else 422, "; ".join(map(_words, error.errors()))
        case HTTPException():
            refused = error.status_code, str(error.detail)
        case ClientDisconnect():
            refused = 400, "the body is cut off"
        case UnfinishedError():
            refused = 409, str(error)
        case NotReadyError():
            refused = 503, str(error)
        case ConfigError() | LaunchError():
            refused = 422, str(error)
        case _:
            refused = 500, str(redacted(error))
            _log.error("%s", refused[1])
    busy = error.tables_by_run if isinstance(error, UnfinishedError) else {}
    batches = [
        OpenBatch(batch_job_id=run_id, tables=tables, links=links_to(request, run_id))
        for run_id, tables in busy.items()
    ]
    return _refuse(*refused, batches or None)


def links_to(request: Request, run_id: str) -> BatchLinks:
    """Return where to look at a batch."""
    return BatchLinks(status=batch_link(request, run_id), run=run_link(request, run_id))


def _refuse(status: int, error: str, batches: list[OpenBatch] | None = None) -> JSONResponse:
    answer = Refused(message=_MESSAGES[status], error=error, batches=batches)
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None
    return JSONResponse(answer.model_dump(by_alias=True, exclude_none=True), status, headers)


async def _with_bounded_body(request: Request) -> Request:
    """Return the request with its body read. Without a content type, a body counts as JSON: scripts leave it out."""
    body = await read_body(request, MOST_BYTES)
    if body is None:
        raise HTTPException(413, f"the body may have {MOST_BYTES:,} bytes")
    scope = dict(request.scope)
    headers = MutableHeaders(raw=list(scope["headers"]))
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if body.strip() and kind != "application/json" and not kind.endswith("+json"):
        raise HTTPException(
            415, f"the body is said to be {kind[:100]}, and JSON is taken only: -H 'Content-Type: application/json'"
        )
    headers["content-type"] = "application/json"
    scope["headers"] = headers.raw
    return Request(scope, _replay(body.strip(), request.receive))


def _replay(body: bytes, then: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await then()

    return receive


def _words(error: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"] if part != "body")
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key; there are {_KEYS}"
    why = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "json_invalid":
        return f"the body is no JSON: {error.get('ctx', {}).get('error', why)}"
    return f"{where}: {why}" if where else why

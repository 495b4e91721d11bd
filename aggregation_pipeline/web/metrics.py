"""`/metrics`: for Prometheus."""

import asyncio
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from aggregation_pipeline.metrics.exposition import OPENMETRICS, Metrics, encode
from aggregation_pipeline.web.asking import ask_all

_TEXT: Final = {"schema": {"type": "string"}}


def metrics_router(metrics: Metrics) -> APIRouter:
    """Return the endpoint."""
    router = APIRouter(tags=["metrics"])

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        responses={200: {"content": {"text/plain": _TEXT, OPENMETRICS: _TEXT}, "description": "All metrics."}},
    )
    async def read_metrics(request: Request) -> Response:
        """What Prometheus scrapes: runs, tables, daemon, mirror and health as metrics.

        OpenMetrics where the header Accept names it. The answer comes within about two seconds, and always with 200:
        aggregation_collection_success says what could not be collected.
        """
        await ask_all((*metrics.sources, *metrics.probes))
        # Thousands of lines are made in a thread, so that nobody else waits for them.
        text, media_type = await asyncio.to_thread(encode, metrics, request.headers.get("accept", ""))
        return Response(text, media_type=media_type)

    return router

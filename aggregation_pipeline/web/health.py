"""`/health`, `/health/live` and `/health/ready`: for load balancers, containers and people."""

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from aggregation_pipeline.config.hosts_and_urls import is_loopback
from aggregation_pipeline.health.probe import Outcome, Probe
from aggregation_pipeline.health.probes import CODE_LOCATION
from aggregation_pipeline.web.asking import ask_all
from aggregation_pipeline.web.common.answers import Answer, now_text
from aggregation_pipeline.web.gate.hosts import OwnHosts

# Load balancers and containers ask under the address of this machine, whatever it is. So the gate lets these paths
# through under every Host. They say only what works and what does not, and they change nothing.
OPEN_PATHS: Final = ("/health", "/health/live", "/health/ready")
# A proxy adds one of these when it passes on what somebody else has asked.
_FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_UNAVAILABLE: Final = 503


class DependencyHealth(Answer):
    """One dependency of the service."""

    ok: bool = Field(description="Whether it works.")
    required: bool = Field(description="Whether the service can do nothing without it.")
    age_seconds: float = Field(
        description="For how long this has been known. It is asked again after 15 s, 5 s if bad."
    )
    problem: str | None = Field(None, description="What is wrong. Only for those who ask on this machine itself.")


class ServiceHealth(Answer):
    """The health of the service. `status`, `timestamp` and `uptime` are what the Node service answered."""

    status: Literal["healthy", "degraded", "unhealthy"] = Field(
        description="degraded: something does not work, and the service does. unhealthy: something required does not."
    )
    timestamp: str = Field(description="The moment of this answer, in UTC.", examples=["2026-11-27T02:00:00.000Z"])
    uptime: float = Field(description="Seconds since the start of the web process.")
    checks: Mapping[str, DependencyHealth] = Field(
        description="The dependencies by name. Which there are depends on what is configured."
    )


class Liveness(Answer):
    """The web process answers."""

    status: Literal["alive"] = "alive"


class Readiness(Answer):
    """Whether the code is loaded."""

    status: Literal["ready", "not ready"]


def health_router(probes: Sequence[Probe], own: OwnHosts) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter(tags=["health"])
    started = time.monotonic()

    @router.get("/health", response_model_exclude_none=True, responses={_UNAVAILABLE: {"model": ServiceHealth}})
    async def health(
        request: Request,
        response: Response,
        *,
        strict: Annotated[bool, Query(description="Answer 503 if anything at all does not work.")] = False,
    ) -> ServiceHealth:
        """Whether the service works, and each of its dependencies.

        503 if it cannot work: without its PostgreSQL, the code or Dagster's daemon. 200 and degraded if anything
        else does not work, such as a source, OSS or Supabase. The answer comes within about two seconds.
        """
        await ask_all(probes)
        in_detail = _may_see_problems(request, own)
        checks = {probe.name: _shown(probe, probe.outcome(), in_detail=in_detail) for probe in probes}
        bad = [check for check in checks.values() if not check.ok]
        unhealthy = any(check.required for check in bad)
        if unhealthy or (strict and bad):
            response.status_code = _UNAVAILABLE
        return ServiceHealth(
            status="unhealthy" if unhealthy else "degraded" if bad else "healthy",
            timestamp=now_text(),
            uptime=round(time.monotonic() - started, 3),
            checks=checks,
        )

    @router.get("/health/live")
    async def live() -> Liveness:
        """Whether the web process answers. It asks nothing else: restart the process if this fails."""
        return Liveness()

    @router.get("/health/ready", responses={_UNAVAILABLE: {"model": Readiness}})
    async def ready(response: Response) -> Readiness:
        """Whether the code is loaded, so that people can work. 503 if not: send nobody here yet."""
        needed = [probe for probe in probes if probe.name == CODE_LOCATION]
        await ask_all(needed)
        if all(probe.outcome().problem is None for probe in needed):
            return Readiness(status="ready")
        response.status_code = _UNAVAILABLE
        return Readiness(status="not ready")

    return router


def _shown(probe: Probe, outcome: Outcome, *, in_detail: bool) -> DependencyHealth:
    return DependencyHealth(
        ok=outcome.problem is None,
        required=probe.required,
        age_seconds=round(outcome.age, 3),
        problem=outcome.problem if in_detail else None,
    )


def _may_see_problems(request: Request, own: OwnHosts) -> bool:
    """Return whether somebody on this machine asks. What is wrong names hosts, and nobody has signed in.

    The Host has to be ours: otherwise a page of another site whose name leads to this machine (DNS rebinding) could
    read the answer. A proxy on this machine has to say that it is one, which all do that are set up to pass on the
    address of who asks.
    """
    headers = request.headers
    return (
        request.client is not None
        and is_loopback(request.client.host)
        and own.know(headers.get("host", ""))
        and not any(name in headers for name in _FORWARDED)
    )

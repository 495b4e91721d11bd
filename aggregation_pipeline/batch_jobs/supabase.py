"""The rows of batch_jobs through Supabase's REST, for those who have a project's URL and key and no connection string.

Everything goes through the functions of sql/record_batch_job.sql: REST itself cannot say "unless a newer version is
there", and reports an update that row-level security swallowed as a success. One POST a call needs no client library on
top of the HTTP one.
"""

import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import requests

from aggregation_pipeline.batch_jobs.browse import DayTrend, JobRow, RowFilter, day_of
from aggregation_pipeline.batch_jobs.projection import INTEGER_MAX
from aggregation_pipeline.batch_jobs.writer import RowState
from aggregation_pipeline.errors import MirrorBusyError, MirrorError
from aggregation_pipeline.postgres.engine import quotes_names_only
from aggregation_pipeline.runs.model import BatchJobRow, Owner
from aggregation_pipeline.runs.row_text import storable, storable_json, without_secrets

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 10.0
_TRIES = 3
_PAUSE_SECONDS = 0.3
# The API's own troubles and the gateway's; PGRST000 to 003: PostgREST cannot reach its database.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
# What sql/grant_anon.sql opens.
_FOR_ANON = frozenset({"record_batch_job", "read_batch_jobs"})
# Refusals of a row's content (data exceptions, violated constraints), where a plainer row may pass.
_CONTENT = re.compile("22|23")


class _RefusedError(MirrorError):
    """An answer of PostgREST that says no. `code` is PostgreSQL's SQLSTATE, or PostgREST's own."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class SupabaseRepository:
    """The rows by REST: `url` is the project's, `until` the moment (time.monotonic) after which nothing is tried any
    more.
    """

    session: requests.Session
    url: str
    until: float

    def ensure(self) -> bool:
        self._call("read_batch_jobs", deployment="", instance="", ids=[])
        return False

    def prove(self, owner: Owner) -> None:
        self._states(owner, ids=[])

    def record(self, row: BatchJobRow) -> bool:
        try:
            return self._record(row)
        except _RefusedError as refusal:
            if not _CONTENT.match(refusal.code):
                raise
            return self._record(replace(row, platforms_processed=(), metadata=_minimal(row, refusal)))

    def row_states(self, owner: Owner, ids: Collection[UUID]) -> Mapping[UUID, RowState]:
        return self._states(owner, ids=[str(each) for each in ids]) if ids else {}

    def open_row_states(self, owner: Owner) -> Mapping[UUID, RowState]:
        return self._states(owner)

    def read(self, owner: Owner, ids: Collection[UUID]) -> Sequence[BatchJobRow]:
        found = self._call("read_batch_jobs", **_names(owner), ids=[str(each) for each in ids], whole=True)
        return [_row(each) for each in found]

    def prune(self, owner: Owner, before: datetime) -> int:
        return int(self._call("prune_batch_jobs", **_names(owner), before=before.isoformat()))

    def list_rows(self, wanted: RowFilter) -> Sequence[JobRow]:
        found = self._call(
            "list_batch_jobs",
            kind=wanted.job_type,
            state=wanted.status,
            wanted=wanted.id,
            most=wanted.most,
        )
        return [{**row, **_read_moments(row)} for row in found]

    def trend(self, job_type: str, zone: str, days: int) -> Sequence[DayTrend]:
        found = self._call("trend_of_batch_jobs", kind=job_type, zone=zone, days=days)
        return [day_of({**day, "date": date.fromisoformat(day["date"])}) for day in found]

    def _record(self, row: BatchJobRow) -> bool:
        job = {
            "id": str(row.id),
            "job_type": storable(row.job_type),
            "status": row.status,
            "platforms_processed": list(row.platforms_processed),
            "total_items": max(0, min(row.total_items, INTEGER_MAX)),
            "metadata": row.metadata,
            **{name: moment and moment.isoformat() for name, moment in _moments(row).items()},
        }
        return bool(self._call("record_batch_job", job=storable_json(job)))

    def _states(self, owner: Owner, **which: object) -> Mapping[UUID, RowState]:
        found = self._call("read_batch_jobs", **_names(owner), **which)
        return {
            UUID(each["id"]): RowState(each["run_id"] or each["id"], each["status"], each["updated"], each["refused"])
            for each in found
        }

    def _call(self, function: str, **arguments: Any) -> Any:  # noqa: ANN401 - whatever the function returns
        """POST a call of a function. All of ours may be repeated: the second time, nothing changes any more."""
        failure = "no time was left to try"
        for attempt in range(_TRIES):
            left = self.until - time.monotonic()
            if left <= 0:
                break
            if attempt:
                time.sleep(min(_PAUSE_SECONDS * 2**attempt, left))
            try:
                answer = self.session.post(
                    f"{self.url}/rest/v1/rpc/{function}",
                    json=arguments,
                    timeout=(min(_CONNECT_SECONDS, left), min(_READ_SECONDS, left)),
                    # A redirect would carry the key to somebody else, and turns POST into GET.
                    allow_redirects=False,
                )
                if answer.ok and not answer.is_redirect:
                    return answer.json()
            except (requests.RequestException, ValueError) as error:
                failure = type(error).__name__
                continue
            if answer.status_code not in _PASSING:
                raise _refusal(answer, function)
            failure = f"HTTP {answer.status_code}"
        raise MirrorBusyError(
            f"batch_jobs cannot be reached by {self.url}: {failure}. Check SUPABASE_URL, and the project's state"
        )


@contextmanager
def supabase_repository(url: str, key: str, seconds: float) -> Iterator[SupabaseRepository]:
    """The rows for at most `seconds`. `url` is the project's (https://<ref>.supabase.co), `key` that of
    service_role.
    """
    with requests.Session() as session:
        # Proxies yes, ~/.netrc no: it would replace the Authorization header.
        session.auth = _keep
        session.headers.update({"apikey": key, "Authorization": f"Bearer {key}", "Accept": "application/json"})
        yield SupabaseRepository(session, url.rstrip("/"), time.monotonic() + seconds)


def _keep(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _refusal(answer: requests.Response, function: str) -> MirrorError:
    try:
        said = answer.json()
        code, message = str(said.get("code") or ""), str(said.get("message") or "")
    except (ValueError, AttributeError):
        code, message = "", ""
    # PostgREST's own words (PGRST...) are about functions and keys.
    plain = code.startswith("PGRST") or quotes_names_only(code) if code else True
    words = without_secrets(message).strip().split("\n")[0][:300] if plain else f"SQLSTATE {code}"
    words = words or f"HTTP {answer.status_code}"
    remedy = "Check SUPABASE_URL and SUPABASE_KEY"
    if code in {"PGRST202", "42883"}:
        remedy = "Run sql/create_batch_jobs_table.sql and sql/record_batch_job.sql in Supabase's SQL editor"
    elif code == "42501" and function not in _FOR_ANON:
        remedy = "That takes the key of service_role (Project Settings, API keys) in SUPABASE_KEY"
    elif code == "42501":
        remedy = (
            "SUPABASE_KEY is not the key of service_role: take that one (Project Settings, API keys). If it must be the"
            " anonymous key, run sql/grant_anon.sql in Supabase's SQL editor"
        )
    elif code == "42P01":
        remedy = "The table is missing: run sql/create_batch_jobs_table.sql in Supabase's SQL editor"
    elif answer.status_code in {401, 403}:
        remedy = (
            "SUPABASE_KEY is not a key of this project, or it was revoked: copy it anew from Project Settings, API keys"
        )
    return _RefusedError(f"Supabase refuses {function} ({code + ': ' if code else ''}{words}). {remedy}", code)


def _names(owner: Owner) -> dict[str, str]:
    return {"deployment": owner.deployment, "instance": owner.instance}


def _moments(row: BatchJobRow) -> dict[str, datetime | None]:
    return {"started_at": row.started_at, "completed_at": row.completed_at, "created_at": row.created_at}


def _minimal(row: BatchJobRow, refusal: Exception) -> dict[str, Any]:
    return {"dagster": row.metadata["dagster"], "mirror_error": without_secrets(str(refusal))}


def _row(found: Mapping[str, Any]) -> BatchJobRow:
    return BatchJobRow(
        id=UUID(found["id"]),
        job_type=found["job_type"],
        status=found["status"],
        platforms_processed=tuple(found["platforms_processed"] or ()),
        total_items=found["total_items"],
        metadata=found["metadata"],
        **_read_moments(found),
    )


def _read_moments(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: found[name] and datetime.fromisoformat(found[name])
        for name in ("started_at", "completed_at", "created_at")
    }

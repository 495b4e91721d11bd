"""The rows of batch_jobs through Supabase's REST interface, for a project's URL and key without a connection string.

Every call is one POST to a function of sql/record_batch_job.sql. Plain REST has no upsert that keeps a newer version,
and reports success for an update that row-level security swallowed.
"""

import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, TypeAlias
from uuid import UUID

import requests

from aggregation_pipeline.batch_jobs import pages
from aggregation_pipeline.batch_jobs.browse import DayTrend, JobRow, RowFilter, day_trend, job_row
from aggregation_pipeline.batch_jobs.buckets import Buckets, buckets_of, parameters_of
from aggregation_pipeline.batch_jobs.last_day import LastDay, last_day_of
from aggregation_pipeline.batch_jobs.pages import Figures, Page, PageFilter, Position
from aggregation_pipeline.batch_jobs.writer import RowState, column_values, record_each, shortened
from aggregation_pipeline.errors import MirrorBusyError, MirrorError
from aggregation_pipeline.postgres.engine import quotes_names_only
from aggregation_pipeline.runs.batch_job_text import without_secrets
from aggregation_pipeline.runs.model import BatchJobRow, Owner

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 10.0
_TRIES = 3
_PAUSE_SECONDS = 0.3
# Failures of the API or of its gateway that may pass. 503 with PGRST000 to 003: PostgREST cannot reach its database.
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
# The functions that sql/grant_anon.sql grants to the anonymous key.
_FOR_ANON = frozenset({"record_batch_job", "read_batch_jobs"})
# SQLSTATEs of data exceptions and violated constraints: the row's content is refused, and a shorter row may pass.
_CONTENT = re.compile("22|23")
# What a function takes or returns.
_Json: TypeAlias = Any
_MOMENTS = ("started_at", "completed_at", "created_at")


class _RefusedError(MirrorError):
    """A refusal of PostgREST. `code` is PostgreSQL's SQLSTATE, or a code of PostgREST's own."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class SupabaseRepository:
    """The rows by REST. `url` is the project's; nothing is tried after `until`, by time.monotonic()."""

    session: requests.Session
    url: str
    until: float

    def ensure_table(self) -> bool:
        """Prove that the functions are there and may be called. REST cannot create tables, so this returns False."""
        self._call("read_batch_jobs", deployment="", instance="", ids=[])
        return False

    def prove_writable(self, owner: Owner) -> None:
        """Prove that rows can be read: REST has no transaction to roll a written row back."""
        self._states(owner, ids=[])

    def record(self, row: BatchJobRow) -> bool:
        """Write a row; where its content is refused, a shorter one."""
        try:
            return self._record(row)
        except _RefusedError as refusal:
            if not _CONTENT.match(refusal.code):
                raise
            return self._record(shortened(row, str(refusal)))

    def record_all(self, rows: Sequence[BatchJobRow]) -> Mapping[UUID, bool | MirrorError]:
        """Write rows, each by itself."""
        return record_each(self.record, rows)

    def row_states(self, owner: Owner, ids: Collection[UUID]) -> Mapping[UUID, RowState]:
        """Return the states of those rows that exist and belong to the owner."""
        return self._states(owner, ids=[str(each) for each in ids]) if ids else {}

    def open_row_states(self, owner: Owner) -> Mapping[UUID, RowState]:
        """Return the states of the owner's rows that have not ended, the newest first."""
        return self._states(owner)

    def read_rows(self, owner: Owner, ids: Collection[UUID]) -> Sequence[BatchJobRow]:
        """Return those rows that exist and belong to the owner, with all columns."""
        found = self._call("read_batch_jobs", **asdict(owner), ids=[str(each) for each in ids], whole=True)
        return [_row(each) for each in found]

    def prune(self, owner: Owner, before: datetime) -> int:
        """Delete the owner's rows that ended before then, and return how many."""
        return int(self._call("prune_batch_jobs", **asdict(owner), before=before.isoformat()))

    def last_day(self, owner: Owner, job_type: str) -> LastDay:
        """Return what the owner's rows say about the last day."""
        return last_day_of(self._call("last_day_of_batch_jobs", **asdict(owner), kind=job_type))

    def list_rows(self, wanted: RowFilter) -> Sequence[JobRow]:
        """Return rows of all owners, the newest first."""
        found = self._call(
            "list_batch_jobs", kind=wanted.job_type, state=wanted.status, wanted=wanted.id, most=wanted.limit
        )
        return [job_row(row) for row in found]

    def trend(self, job_type: str, zone: str, days: int) -> Sequence[DayTrend]:
        """Return the figures of the last days that had jobs, the newest first."""
        found = self._call("trend_of_batch_jobs", kind=job_type, zone=zone, days=days)
        return [day_trend({**day, "date": date.fromisoformat(day["date"])}) for day in found]

    def read_page(self, wanted: PageFilter, after: Position | None, limit: int) -> Page:
        """Return the page of at most `limit` rows of all owners that follows `after`, the newest first."""
        return pages.read_page(lambda asked: self._call("page_of_batch_jobs", **asked), wanted, after, limit)

    def figures(self, job_type: str, since: datetime) -> Figures:
        """Return how many jobs of a type run and wait, and how those created since then went."""
        return pages.figures_of(
            self._call("figures_of_batch_jobs", kind=job_type, since=since.isoformat(), scan=pages.FIGURES_ROWS)
        )

    def buckets(self, job_type: str, deployment: str, bounds: Sequence[datetime]) -> Buckets:
        """Return what batches did between each of `bounds` and the next: of the deployment, and of other programs."""
        return buckets_of(self._call("buckets_of_batch_jobs", **parameters_of(job_type, deployment, bounds)))

    def _record(self, row: BatchJobRow) -> bool:
        values = column_values(row)
        moments = {name: values[name] and values[name].isoformat() for name in _MOMENTS}
        return bool(self._call("record_batch_job", job={**values, "id": str(row.id), **moments}))

    def _states(self, owner: Owner, **which: object) -> Mapping[UUID, RowState]:
        found = self._call("read_batch_jobs", **asdict(owner), **which)
        return {
            UUID(each["id"]): RowState(each["run_id"] or each["id"], each["status"], each["updated"], each["refused"])
            for each in found
        }

    def _call(self, function: str, **arguments: _Json) -> _Json:
        """Call a function. Every one may be called twice: the second call changes nothing."""
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
                    # A redirect would send the key to another host, and turns POST into GET.
                    allow_redirects=False,
                )
                if answer.ok and not answer.is_redirect:
                    return pages.read_json(answer.content)
            except (requests.RequestException, ValueError) as error:
                failure = type(error).__name__
                continue
            if answer.status_code not in _TRANSIENT:
                raise _refusal(answer, function)
            failure = f"HTTP {answer.status_code}"
        raise MirrorBusyError(
            f"batch_jobs cannot be reached by {self.url}: {failure}. Check SUPABASE_URL, and the project's state"
        )


@contextmanager
def supabase_repository(url: str, key: str, seconds: float) -> Iterator[SupabaseRepository]:
    """Open the rows for at most `seconds`. `url` is like https://<ref>.supabase.co, `key` that of service_role."""
    with requests.Session() as session:
        # The environment's proxies are used, ~/.netrc is not: it would replace the Authorization header.
        session.auth = _keep_headers
        session.headers.update({"apikey": key, "Authorization": f"Bearer {key}", "Accept": "application/json"})
        yield SupabaseRepository(session, url.rstrip("/"), time.monotonic() + seconds)


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _refusal(answer: requests.Response, function: str) -> MirrorError:
    try:
        body = answer.json()
        code, message = str(body.get("code") or ""), str(body.get("message") or "")
    except (ValueError, AttributeError):
        code, message = "", ""
    # A message of PostgREST (PGRST...), or one about names only, holds no value of a row.
    is_safe = code.startswith("PGRST") or quotes_names_only(code) if code else True
    reason = without_secrets(message).strip().split("\n")[0][:300] if is_safe else f"SQLSTATE {code}"
    reason = reason or f"HTTP {answer.status_code}"
    remedy = _remedy(code, answer.status_code, function)
    return _RefusedError(f"Supabase refuses {function} ({code + ': ' if code else ''}{reason}). {remedy}", code)


def _remedy(code: str, status: int, function: str) -> str:
    if code in {"PGRST202", "42883"}:
        return "Run sql/create_batch_jobs_table.sql and sql/record_batch_job.sql in Supabase's SQL editor"
    if code == "42501" and function not in _FOR_ANON:
        return "This needs the key of service_role (Project Settings, API keys) in SUPABASE_KEY"
    if code == "42501":
        return (
            "SUPABASE_KEY is not the key of service_role: take that one (Project Settings, API keys). If it must be the"
            " anonymous key, run sql/grant_anon.sql in Supabase's SQL editor"
        )
    if code == "42P01":
        return "The table is missing: run sql/create_batch_jobs_table.sql in Supabase's SQL editor"
    if status in {401, 403}:
        return "SUPABASE_KEY is not a key of this project, or was revoked: copy it anew from Project Settings, API keys"
    return "Check SUPABASE_URL and SUPABASE_KEY"


def _row(found: Mapping[str, Any]) -> BatchJobRow:
    return BatchJobRow(
        id=UUID(found["id"]),
        job_type=found["job_type"],
        status=found["status"],
        platforms_processed=tuple(found["platforms_processed"] or ()),
        total_items=found["total_items"],
        metadata=found["metadata"],
        **_parse_moments(found),
    )


def _parse_moments(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] and datetime.fromisoformat(found[name]) for name in _MOMENTS}

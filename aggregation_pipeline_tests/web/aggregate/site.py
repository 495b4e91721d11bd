"""The endpoints of `/aggregate` on a port, over code that is loaded in this process."""

import json
from typing import TYPE_CHECKING, Any

from dagster import AssetMaterialization, DagsterEvent, DagsterEventType
from dagster._core.events import StepMaterializationData
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from aggregation_pipeline.access.roles import Principal, Role
from aggregation_pipeline.runs import tags
from aggregation_pipeline_tests.support.runs import metadata
from aggregation_pipeline_tests.web.served import Answer, ask

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.code_location import Loaded

CONFIG = """
tables:
  users: {}
  orders: {partition: {column: created_at, every: day, start: 2026-11-01}}
  hours:
    partition: {column: created_at, every: hour, start: 2026-11-20}
    backfill: {partitions_per_run: 1}
    schedule: none
  broken: {selekt: [id]}
"""


class Site:
    """The endpoints on a port, asked by `principal`."""

    def __init__(self, loaded: "Loaded", api: FastAPI, port: int) -> None:
        self.loaded, self.api, self.port = loaded, api, port
        self.principal = Principal("ann", Role.OPERATOR)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say who asks, as sign-in does."""
        await self.api({**scope, "aggregation_pipeline.principal": self.principal}, receive, send)

    def post(self, body: Any = None, *headers: str, query: str = "") -> Answer:
        text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
        return ask(self.port, f"POST /aggregate{query}", *headers, body=text)

    def posted(self, body: Any = None, *headers: str, query: str = "", status: int = 202) -> Any:
        answer = self.post(body, *headers, query=query)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/json"), answer.body
        return json.loads(answer.body)

    def shown(self, request_id: str) -> Any:
        answer = ask(self.port, f"GET /aggregate/{request_id}")
        assert answer.status == 200, answer.body
        return json.loads(answer.body)


def end(site: Site, run_id: str, *, items: int = 3) -> None:
    """Let a run that waits in the queue end well, with `items` rows of each of its tables."""
    instance = site.loaded.instance
    run = instance.get_run_by_id(run_id)
    assert run is not None
    for event in (DagsterEventType.RUN_START, DagsterEventType.RUN_SUCCESS):
        instance.report_dagster_event(DagsterEvent(event.value, run.job_name), run_id)
    for key in run.asset_selection or ():
        if key.path[-1].endswith("_manifest"):
            name = key.path[-1].removesuffix("_manifest")
            published = AssetMaterialization(
                key, metadata=metadata(name, name, items), partition=run.tags.get(tags.PARTITION_NAME_TAG)
            )
            data = StepMaterializationData(published)
            kind = DagsterEventType.ASSET_MATERIALIZATION.value
            instance.report_dagster_event(DagsterEvent(kind, run.job_name, event_specific_data=data), run_id)

"""Who may use which field of Dagster's GraphQL, and what is noted of it.

Each mutation is judged here, by the permission that it needs, and again by its resolver. A mutation that a later
version adds is refused until it is in the table. What is done, or refused, goes into the audit log with its name and
the ids that it names, and nothing else of its variables: they may hold secrets.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from dagster._core.workspace.permissions import Permissions
from dagster_graphql.schema.errors import GrapheneUnauthorizedError
from dagster_graphql.schema.roots.mutation import GrapheneLogTelemetrySuccess
from graphql import GraphQLError, GraphQLField, GraphQLResolveInfo, GraphQLSchema, GraphQLUnionType, get_named_type

from aggregation_pipeline.access.audit import Result
from aggregation_pipeline.access.roles import Principal, Role
from aggregation_pipeline.web.graphql.reloads import refused_reload
from aggregation_pipeline.web.roles.permissions import ROLES, PrincipalContext, acting_role, requested_by

MUTATIONS: Final[Mapping[str, Permissions]] = {
    **dict.fromkeys(
        ("launchRun", "launchPipelineExecution", "launchMultipleRuns"), Permissions.LAUNCH_PIPELINE_EXECUTION
    ),
    **dict.fromkeys(("launchRunReexecution", "launchPipelineReexecution"), Permissions.LAUNCH_PIPELINE_REEXECUTION),
    **dict.fromkeys(
        ("terminateRun", "terminateRuns", "terminatePipelineExecution"), Permissions.TERMINATE_PIPELINE_EXECUTION
    ),
    **dict.fromkeys(
        ("launchPartitionBackfill", "resumePartitionBackfill", "reexecutePartitionBackfill"),
        Permissions.LAUNCH_PARTITION_BACKFILL,
    ),
    "cancelPartitionBackfill": Permissions.CANCEL_PARTITION_BACKFILL,
    **dict.fromkeys(("startSchedule", "resetSchedule"), Permissions.START_SCHEDULE),
    "stopRunningSchedule": Permissions.STOP_RUNNING_SCHEDULE,
    "scheduleDryRun": Permissions.SCHEDULE_DRY_RUN,
    **dict.fromkeys(("startSensor", "stopSensor", "resetSensor"), Permissions.EDIT_SENSOR),
    "sensorDryRun": Permissions.SENSOR_DRY_RUN,
    "setSensorCursor": Permissions.UPDATE_SENSOR_CURSOR,
    "setAutoMaterializePaused": Permissions.TOGGLE_AUTO_MATERIALIZE,
    **dict.fromkeys(("deleteRun", "deletePipelineRun"), Permissions.DELETE_PIPELINE_RUN),
    "wipeAssets": Permissions.WIPE_ASSETS,
    **dict.fromkeys(
        ("reportRunlessAssetEvents", "reportAssetCheckEvaluations"), Permissions.REPORT_RUNLESS_ASSET_EVENTS
    ),
    **dict.fromkeys(("reloadRepositoryLocation", "shutdownRepositoryLocation"), Permissions.RELOAD_REPOSITORY_LOCATION),
    "reloadWorkspace": Permissions.RELOAD_WORKSPACE,
    **dict.fromkeys(("addDynamicPartition", "deleteDynamicPartitions"), Permissions.EDIT_DYNAMIC_PARTITIONS),
    **dict.fromkeys(
        ("setConcurrencyLimit", "deleteConcurrencyLimit", "freeConcurrencySlots", "freeConcurrencySlotsForRun"),
        Permissions.EDIT_CONCURRENCY_LIMIT,
    ),
    **dict.fromkeys(("setAppManagedComponent", "deleteAppManagedComponent"), Permissions.EDIT_APP_MANAGED_COMPONENTS),
    "refreshComponentState": Permissions.REFRESH_COMPONENT_STATE,
}
# Dagster asks no permission for these. The first would set a mark for everybody on this machine, the second would write
# whatever it is given into a log.
IGNORED_MUTATIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {
    "setNuxSeen": lambda _: True,
    "logTelemetry": lambda arguments: GrapheneLogTelemetrySuccess(action=str(arguments["action"])),
}
# Types of fields that show what a run's own code has printed.
_LOG_TYPES: Final = ("CapturedLogs", "CapturedLogsMetadata")
_LOGS_ROLE: Final = Role.OPERATOR
# Keys of arguments whose values name what a mutation acts on.
_NAMES: Final = frozenset(
    (
        *("runId", "runIds", "parentRunId", "backfillId", "jobName", "pipelineName", "scheduleName", "sensorName"),
        *("repositoryLocationName", "locationName", "concurrencyKey", "partitionsDefName", "componentId", "path"),
        *("id", "scheduleOriginId", "scheduleSelectorId", "jobOriginId", "jobSelectorId", "stepKey"),
    )
)
_MOST_NAMES: Final = 20

_Resolver = Callable[..., Any]


class Recorder(Protocol):
    """Writes one line of the audit log."""

    def __call__(self, context: PrincipalContext, what: str, result: Result, details: Mapping[str, object]) -> None:
        """Note that the request of this context did `what`."""


def judge_fields(schema: GraphQLSchema, record: Recorder) -> None:
    """Put the judgement before the resolvers of the schema, which has to be a new one."""
    if schema.mutation_type is None or schema.query_type is None:
        raise TypeError("Dagster's GraphQL has no queries or mutations.")
    for name, field in schema.mutation_type.fields.items():
        if name in IGNORED_MUTATIONS:
            field.resolve = functools.partial(_ignore, IGNORED_MUTATIONS[name])
        else:
            field.resolve = functools.partial(_mutate, name, field, field.resolve, record)
    for of_type in schema.type_map.values():
        for field in getattr(of_type, "fields", {}).values():
            if isinstance(field, GraphQLField) and get_named_type(field.type).name in _LOG_TYPES:
                field.resolve = field.resolve and functools.partial(_show_logs, field.resolve)
                field.subscribe = field.subscribe and functools.partial(_show_logs, field.subscribe)
    # Otherwise each visit would open with Dagster's offer of a newsletter, since nothing can dismiss it.
    schema.query_type.fields["shouldShowNux"].resolve = lambda *_: False


def _ignore(answer: Callable[[Mapping[str, Any]], object], _root: object, _info: object, **arguments: object) -> object:
    return answer(arguments)


def _show_logs(resolve: _Resolver, root: object, info: GraphQLResolveInfo, **arguments: object) -> object:
    if acting_role(_principal(info)) < _LOGS_ROLE:
        raise _refused(info, f"The logs that a run's own code prints need the role {_LOGS_ROLE.name.lower()}.")
    return resolve(root, info, **arguments)


def _mutate(
    name: str,
    field: GraphQLField,
    resolve: _Resolver,
    record: Recorder,
    root: object,
    info: GraphQLResolveInfo,
    **arguments: object,
) -> object:
    context: PrincipalContext = info.context
    permission = MUTATIONS.get(name)
    need = Role.ADMIN if permission is None else ROLES[permission]
    names = list(dict.fromkeys(_names_in(arguments)))[:_MOST_NAMES]
    details = {"ids": ", ".join(names)} if names else {}
    note = functools.partial(record, context, f"graphql.{name}")
    principal = _principal(info)
    if permission is None or acting_role(principal) < need:
        note("refused", details)
        return _refusal(field, info, need if permission else None)
    _tag(arguments, requested_by(principal))
    try:
        answer = refused_reload(name, context, arguments) or resolve(root, info, **arguments)
    except Exception as error:
        note("failed", {**details, "error": type(error).__name__})
        raise
    if inspect.isawaitable(answer):
        return _note_later(answer, note, details)
    _note_answer(answer, note, details)
    return answer


async def _note_later(answer: Awaitable[object], note: Callable[..., None], details: Mapping[str, object]) -> object:
    try:
        found = await answer
    except Exception as error:
        note("failed", {**details, "error": type(error).__name__})
        raise
    _note_answer(found, note, details)
    return found


def _note_answer(answer: object, note: Callable[..., None], details: Mapping[str, object]) -> None:
    kind = type(answer).__name__.removeprefix("Graphene")
    launched = ", ".join(_launched_by(answer))
    made = {"made": launched} if launched else {}
    result: Result = "refused"
    if "Unauthorized" not in kind:
        result = "failed" if kind.endswith(("Error", "Failure", "NotFound", "Invalid", "Conflict")) else "ok"
    note(result, {**details, **made, **({} if result == "ok" else {"error": kind})})


def _launched_by(answer: object) -> Iterator[str]:
    for one in (answer, *getattr(answer, "launchMultipleRunsResult", ())):
        launched = getattr(getattr(one, "run", None), "runId", None) or getattr(one, "backfill_id", None)
        if isinstance(launched, str):
            yield launched


def _refusal(field: GraphQLField, info: GraphQLResolveInfo, need: Role | None) -> object:
    """Return Dagster's own answer where the mutation knows it, which its UI shows; else raise an error."""
    of_type = get_named_type(field.type)
    if isinstance(of_type, GraphQLUnionType) and any(each.name == "UnauthorizedError" for each in of_type.types):
        return GrapheneUnauthorizedError()  # type: ignore[no-untyped-call]
    if need is None:
        raise _refused(info, "This mutation is not in the table of those that are allowed.")
    raise _refused(info, f"This needs the role {need.name.lower()}.")


def _refused(info: GraphQLResolveInfo, message: str) -> GraphQLError:
    # With its path it stays an error of who asks: without, Dagster answers 500.
    return GraphQLError(message, info.field_nodes, path=info.path.as_list())


def _principal(info: GraphQLResolveInfo) -> Principal:
    context: PrincipalContext = info.context
    return context.principal


def _names_in(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _names_in(below, str(name))
    elif isinstance(value, list):
        for below in value:
            yield from _names_in(below, key)
    elif isinstance(value, str) and key in _NAMES:
        yield value


def _tag(arguments: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Add tags to the runs that a mutation launches, in place of any that the request gives them under these keys."""
    if not tags:
        return
    for params in (arguments.get("executionParams"), *(arguments.get("executionParamsList") or ())):
        if params is not None:
            metadata = params.get("executionMetadata") or {}
            params["executionMetadata"] = {**metadata, "tags": _with_tags(metadata.get("tags"), tags)}
    if (params := arguments.get("reexecutionParams")) is not None:
        params["extraTags"] = _with_tags(params.get("extraTags"), tags)


def _with_tags(given: list[dict[str, str]] | None, tags: Mapping[str, str]) -> list[dict[str, str]]:
    kept = [tag for tag in given or () if tag["key"] not in tags]
    return [*kept, *({"key": key, "value": value} for key, value in tags.items())]

"""Private and undocumented names of libraries that the package uses, each with who needs it and what for."""

from typing import Final

# What the package imports that is private, by module: who needs it, and what for.
IMPORTED: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "adbc_driver_manager._reader": (
        ("AdbcRecordBatchReader",),
        "source: the rows of PostgreSQL; unlike pyarrow's reader it keeps the SQLSTATE of an error in the middle",
    ),
    "dagster._core.definitions.asset_checks.asset_check_evaluation": (
        ("AssetCheckEvaluationPlanned", "AssetCheckEvaluationTargetMaterializationData"),
        "instance: the event log keeps a row for each check that a run will evaluate; assets: what a check was about",
    ),
    "dagster._core.event_api": (
        ("PartitionKeyFilter",),
        "alerts: how a check went on a partition when it was evaluated last",
    ),
    "dagster._core.definitions.freshness": (
        ("CronFreshnessPolicy", "FreshnessState", "TimeWindowFreshnessPolicy"),
        "alerts: an asset that is overdue, and the words for its policy. metrics: which tables are late",
    ),
    "dagster._core.definitions.repository_definition": (
        ("SINGLETON_REPOSITORY_NAME",),
        "local: a run of this process has to belong to the code location's repository",
    ),
    "dagster._core.definitions.unresolved_asset_job_definition": (
        ("UnresolvedAssetJobDefinition",),
        "automation: the type that define_asset_job returns",
    ),
    "dagster._core.errors": (
        ("DagsterUserCodeProcessError", "DagsterUserCodeUnreachableError"),
        "health, launching, services: tells a code server that does not answer from code that cannot be loaded",
    ),
    "dagster._core.events": (
        ("ASSET_EVENTS",),
        "instance: which events the event log also keeps by asset",
    ),
    "dagster._core.execution.context.system": (
        ("PlanOrchestrationContext",),
        "automation: what an executor is given; it names the run whose row is written before the first step",
    ),
    "dagster._core.execution.plan.plan": (("ExecutionPlan",), "automation: the other argument of Executor.execute"),
    "dagster._core.execution.retries": (("RetryMode",), "automation: the type of Executor.retries"),
    "dagster._core.execution.step_dependency_config": (
        ("StepDependencyConfig",),
        "automation: the type of Executor.step_dependency_config",
    ),
    "dagster._core.execution.submit_asset_runs": (
        ("RunRequestExecutionData", "get_job_execution_data_from_run_request", "submit_asset_run"),
        "launching: runs whose ids are ours, by the function by which the daemon launches them",
    ),
    "dagster._cli.api": (
        ("_execute_run_command_body",),
        "workers: executes a run as `dagster api execute_run` does, under a lock of ours",
    ),
    "dagster._core.instance": (("InstanceRef",), "instance: Dagster's own defaults for our class of instance"),
    "dagster._core.launcher": (
        ("CheckRunHealthResult", "LaunchRunContext", "ResumeRunContext", "RunLauncher", "WorkerStatus"),
        "instance: what a launcher is, and what it is asked",
    ),
    "dagster._core.instance.config": (
        ("dagster_instance_config",),
        "local: `plan` reads dagster.yaml as Dagster will, without opening its storage",
    ),
    "dagster._core.remote_origin": (
        ("GrpcServerCodeLocationOrigin", "RegisteredCodeLocationOrigin", "RemoteRepositoryOrigin"),
        "local: how the UI shows a run of this process and can execute it again; web: our code server's origin",
    ),
    "dagster._core.remote_representation.code_location": (
        ("GrpcServerCodeLocation",),
        "health: the code location that has a server, which can be asked",
    ),
    "dagster._core.scheduler.instigation": (
        (
            "InstigatorState",
            "InstigatorStatus",
            "InstigatorTick",
            "InstigatorType",
            "SensorInstigatorData",
            "TickStatus",
        ),
        "alerts, health, overview: schedules and sensors that fail, or that somebody has stopped",
    ),
    "dagster._core.storage.asset_check_execution_record": (
        ("AssetCheckExecutionRecord", "AssetCheckExecutionRecordStatus"),
        "alerts: checks that failed, and that pass again; instance: how the event log names their outcomes",
    ),
    "dagster._core.storage.cloud_storage_compute_log_manager": (
        ("CloudStorageComputeLogManager", "PollingComputeLogSubscriptionManager"),
        "instance: logs of runs in our store; Dagster's webserver downloads those of this class",
    ),
    "dagster._core.storage.compute_log_manager": (
        ("CapturedLogContext", "CapturedLogSubscription", "ComputeIOType", "ComputeLogManager"),
        "instance: the base of what is kept of a run's output",
    ),
    "dagster._core.storage.local_compute_log_manager": (
        ("IO_TYPE_EXTENSION", "LocalComputeLogManager"),
        "instance: the same in a folder of this machine",
    ),
    "dagster._core.storage.event_log.base": (
        ("AssetEntry", "AssetRecord"),
        "instance: what Dagster gets when it asks for what a step has stored; overview: what assets published last",
    ),
    "dagster._core.storage.event_log.migration": (
        ("ASSET_DATA_MIGRATIONS",),
        "upgrade: which migrations of rows `dagster instance migrate` would make",
    ),
    "dagster._core.storage.event_log.schema": (
        ("AssetCheckExecutionsTable", "AssetKeyTable", "SqlEventLogStorageMetadata", "SqlEventLogStorageTable"),
        "instance: makes the tables. runs: reads only the events that a row needs, where DagsterInstance fetches more",
    ),
    "dagster._core.storage.event_log.sql_event_log": (
        ("SqlEventLogStorage",),
        "runs: only this storage has the table above",
    ),
    "dagster._core.storage.event_log.sqlite.sqlite_event_log": (
        ("SqliteEventLogStorage",),
        "runs: this one has the table above once for each run",
    ),
    "dagster._core.storage.runs.migration": (("REQUIRED_DATA_MIGRATIONS",), "upgrade: the same of runs"),
    "dagster._core.storage.runs.schema": (("RunStorageSqlMetadata",), "instance: makes the tables"),
    "dagster._core.storage.runs.sql_run_storage": (
        ("SqlRunStorage",),
        "batch_jobs: the id of Dagster's storage says which rows are ours",
    ),
    "dagster._core.storage.schedules.schema": (("ScheduleStorageSqlMetadata",), "instance: makes the tables"),
    "dagster._core.storage.sql": (("stamp_alembic_rev",), "instance: notes the version of new tables"),
    "dagster._core.storage.tags": (("PARTITION_NAME_TAG",), "instance: the partition of a line's run"),
    "dagster._core.workspace.context": (
        ("WorkspaceProcessContext", "WorkspaceRequestContext"),
        "health, launching, web: what Dagster's webserver serves, and which code it has loaded",
    ),
    "dagster._core.workspace.load_target": (("WorkspaceFileTarget",), "web: the workspace.yaml to serve"),
    "dagster._core.workspace.workspace": (("CodeLocationEntry",), "health: a code location, or why it is not loaded"),
    "dagster._grpc.__generated__": (
        ("dagster_api_pb2",),
        "services: the question for repositories; the client's own method takes no time limit",
    ),
    "dagster._grpc.client": (("DagsterGrpcClient",), "services: asks the code server, and tells it to reload or end"),
    "dagster._serdes": (
        ("ConfigurableClass", "ConfigurableClassData", "serialize_value"),
        "instance: what a class of dagster.yaml is opened with; an event as the event log has it",
    ),
    "dagster._utils.interrupts": (
        ("capture_interrupts", "check_captured_interrupt"),
        "instance, workers: Ctrl-C before a process does its work; Dagster only notes it until its threads run",
    ),
    "dagster._core.workspace.permissions": (
        ("PermissionResult", "Permissions", "get_location_scoped_user_permissions", "get_user_permissions"),
        "launching, web: the map of permissions that Dagster's GraphQL and UI ask",
    ),
    "dagster._utils.log": (("configure_loggers",), "web: logs as `dagster-webserver` does"),
    "dagster._utils.schedules": (
        ("get_latest_completed_cron_tick", "schedule_execution_time_iterator"),
        "alerts, automation, overview: the last and the next tick of cron expressions, as Dagster's scheduler counts",
    ),
    "dagster_postgres.utils": (
        ("DagsterPostgresException", "pg_alembic_config"),
        "health, instance: raised when PostgreSQL does not answer after its retries; how new tables are stamped",
    ),
    "dagster_shared.check": (("CheckError",), "web: raised for a value of another type than Dagster expects"),
    "dagster_shared.error": (("SerializableErrorInfo",), "services: the code server's answer for code with an error"),
    "dagster_shared.serdes": (("serialize_value",), "instance: the text of a record of an event"),
    "dagster_graphql.schema.errors": (
        ("GraphenePythonError", "GrapheneUnauthorizedError"),
        "web: Dagster's answers where a role is not enough, and for code that cannot be loaded",
    ),
    "dagster_graphql.schema.roots.mutation": (
        ("GrapheneLogTelemetrySuccess",),
        "web: the answer to a mutation that does nothing here",
    ),
    "dagster_webserver.version": (("__version__",), "web: the version that the UI shows"),
    "dagster_webserver.webserver": (("DagsterWebserver",), "web: Dagster's UI, served behind our gate"),
    "dotenv.parser": (("parse_stream",), "settings: what Dagster's services, which use it, make of a line of .env"),
    "dotenv.variables": (("Variable", "parse_variables"), "settings: how they expand ${NAME} in it"),
    "openpyxl.xml.constants": (("ARC_CORE", "DCTERMS_NS"), "formats: where the workbook keeps the time it was made"),
    "openpyxl.xml.functions": (("fromstring", "tostring"), "formats: takes that time out: same data, same bytes"),
    "pandas._libs.missing": (("NA",), "export: what pyarrow has to know of pandas to work without it"),
    "pandas._libs.tslibs": (("NaT", "Timedelta", "Timestamp"), "export: the same"),
    "pandas._libs.tslibs.offsets": (("DateOffset",), "export: the same"),
}
# Modules that a file or a command line names.
NAMED: Final = {
    "dagster._core.run_coordinator": "dagster.yaml: QueuedRunCoordinator",
    "dagster._core.storage.root": "dagster.yaml and local: LocalArtifactStorage",
    "dagster._daemon": "services: `python -m dagster._daemon run` is what the command dagster-daemon does",
}
# DagsterInstance documents few of its methods. Each of these answers a question that no documented one does.
INSTANCE: Final = {
    "add_event_listener": "batch_jobs: a run's row is written in the run's own process",
    "add_run_tags": "automation, runs: the heartbeat's tag, and which run replaced a lost one",
    "all_instigator_state": "alerts, health, overview: schedules and sensors that were stopped",
    "create_run": "automation: the copy of a run that was lost",
    "create_run_for_job": "local: replaced while a run of this process is made",
    "event_log_storage": "alerts, runs: checks of all assets at once, and a run's events by type",
    "from_config": "local: a dagster.yaml in the working folder",
    "get_daemon_heartbeats": "health: whether the daemon lives",
    "get_execution_plan_snapshot": "runs: which steps a run was going to execute",
    "get_freshness_state_records": "alerts: assets that are overdue",
    "get_job_snapshot": "automation: the copy of a run that was lost",
    "get_records_for_run": "assets: what earlier attempts of a run have finished",
    "get_required_daemon_types": "health: which threads the daemon should have",
    "get_runs": "automation: whether a schedule's earlier run still goes on",
    "get_runs_count": "batch_jobs: how much the reconciler has to look at",
    "get_ticks": "alerts: the last ticks of a schedule or sensor",
    "optimize_for_webserver": "web: one pool of connections, as `dagster-webserver` has it",
    "report_run_failed": "runs: a run whose process is gone",
    "run_storage": "batch_jobs: the id of Dagster's storage",
    "submit_run": "automation: the copy of a run that was lost, and runs that were created and not submitted",
    "upgrade": "upgrade: what `dagster instance migrate` does",
}

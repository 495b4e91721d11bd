"""Names of libraries that are private or undocumented, and that the package leans on.

A new version that moves one of them fails here, by its name. PyMySQL's names have a test of their own beside the module
that uses them, and the daemons' loggers one in instance/.
"""

import ast
import importlib
import importlib.util
import inspect
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apprise
import oss2
import pytest
from apprise.logger import logger as apprise_logger
from dagster import DagsterInstance, Executor, in_process_executor, multiprocess_executor
from dagster._cli import code_server
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.execution import execute_in_process
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.remote_representation.code_location import GrpcServerCodeLocation
from dagster._core.remote_representation.external import RemoteRepository, RemoteSensor
from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry
from dagster._core.storage import tags
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.schema import AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._grpc.__generated__ import dagster_api_pb2
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.proxy_server import DagsterProxyApiServicer
from dagster._grpc.server import DagsterApiServer
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_webserver.webserver import DagsterWebserver

import aggregation_pipeline
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.upstream_names import IMPORTED, INSTANCE, NAMED

PACKAGE: Final = Path(aggregation_pipeline.__file__).parent

# Modules without an underscore that their libraries do not document.
UNDOCUMENTED: Final = (
    *("dagster_graphql.", "dagster_postgres.", "dagster_shared.", "dagster_webserver.", "dotenv.", "openpyxl.xml."),
)
# Private attributes of objects that others made, without PyMySQL's.
ATTRIBUTES: Final = {
    "_get_response": "services: asks the code server with a time limit",
    "_import_from_c": "source: makes pyarrow's reader of what ADBC returns",
    "_pandas_api": "export: asks pyarrow once, while pandas is kept out, whether there is pandas",
}
PYMYSQL: Final = PACKAGE / "source" / "mysql"


@pytest.mark.parametrize("module", IMPORTED)
def test_the_name_is_where_the_package_imports_it_from(module: str):
    names, why = IMPORTED[module]
    found = importlib.import_module(module)
    assert [name for name in names if not hasattr(found, name)] == [], why


@pytest.mark.parametrize("module", NAMED)
def test_the_module_is_where_a_file_or_a_command_names_it(module: str):
    assert importlib.util.find_spec(module) is not None, NAMED[module]


def sources() -> Iterator[tuple[Path, ast.Module]]:
    return ((path, ast.parse(path.read_text(encoding="utf-8"))) for path in PACKAGE.rglob("*.py"))


def is_private(module: str) -> bool:
    return any(part.startswith("_") for part in module.split(".")) or module.startswith(UNDOCUMENTED)


def private_imports() -> set[tuple[str, str]]:
    """(module, name) for each import in the package that may break with any release."""
    found = set()
    for _, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module != "__future__":
                found |= {(node.module, alias.name) for alias in node.names if is_private(node.module)}
                # `from dagster import _core` would be one as well.
                found |= {(node.module, each.name) for each in node.names if re.match("_[^_]", each.name)}
            elif isinstance(node, ast.Import):
                found |= {(alias.name, "") for alias in node.names if is_private(alias.name)}
    return {(module, name) for module, name in found if not module.startswith("aggregation_pipeline")}


def test_no_private_name_is_imported_that_is_not_listed_here_and_none_is_listed_that_is_not_used():
    assert private_imports() == {(module, name) for module, (names, _) in IMPORTED.items() for name in names}


def test_no_private_attribute_is_used_that_is_not_listed_here():
    used, ours = set[str](), set[str]()
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr):
                is_self = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
                (ours if is_self or PYMYSQL in path.parents else used).add(node.attr)
            elif isinstance(node, ast.FunctionDef):
                ours.add(node.name)
    assert used - ours == set(ATTRIBUTES)


def test_no_private_module_is_named_in_a_string_that_is_not_listed_here():
    texts = [path.read_text(encoding="utf-8") for path in [*PACKAGE.rglob("*.py"), REPOSITORY / "dagster.yaml"]]
    named = {name for text in texts for name in re.findall(r"(?:module: |\")(dagster\._[\w.]+\w)", text)}
    assert named <= set(NAMED) | {"dagster._core.storage"}


@pytest.mark.parametrize("name", INSTANCE)
def test_dagsters_instance_has_what_its_documentation_leaves_out(name: str):
    assert hasattr(DagsterInstance, name), INSTANCE[name]


def test_dagsters_storage_has_what_rows_and_alerts_are_read_from():
    """runs and alerts read tables and methods that DagsterInstance does not offer."""
    assert callable(SqlRunStorage.get_run_storage_id)
    assert callable(EventLogStorage.get_asset_check_execution_history)
    assert callable(EventLogStorage.get_latest_asset_check_execution_by_key)
    assert RunsTable.name == "runs"
    assert {"run_id", "status"} <= set(RunsTable.c.keys())
    assert {"id", "run_id", "event", "dagster_event_type", "timestamp"} <= set(SqlEventLogStorageTable.c.keys())
    columns = {"asset_key", "last_materialization", "last_run_id", "last_materialization_timestamp", "wipe_timestamp"}
    assert columns <= set(AssetKeyTable.c.keys())


def test_dagsters_tags_are_what_is_stored():
    """Runs and rows of before an upgrade hold these strings, and alerts and docs spell some of them."""
    assert (tags.PARTITION_NAME_TAG, tags.BACKFILL_ID_TAG) == ("dagster/partition", "dagster/backfill")
    assert tags.ASSET_PARTITION_RANGE_START_TAG == "dagster/asset_partition_range_start"
    assert tags.ASSET_PARTITION_RANGE_END_TAG == "dagster/asset_partition_range_end"
    assert (tags.WILL_RETRY_TAG, tags.AUTO_RETRY_RUN_ID_TAG) == ("dagster/will_retry", "dagster/auto_retry_run_id")
    assert (tags.PARENT_RUN_ID_TAG, tags.ROOT_RUN_ID_TAG) == ("dagster/parent_run_id", "dagster/root_run_id")
    assert tags.HIDDEN_TAG_PREFIX == ".dagster/"


def test_a_run_of_this_process_takes_the_origin_by_which_it_belongs_to_the_code_location():
    """local: otherwise Overview and the job's page do not show such a run, and nobody can execute it again."""
    assert "remote_job_origin" in inspect.signature(DagsterInstance.create_run_for_job).parameters
    assert "execute_instance.create_run_for_job(" in inspect.getsource(execute_in_process.core_execute_in_process)
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("aggregation_pipeline"), SINGLETON_REPOSITORY_NAME)
    assert origin.get_job_origin("aggregate").repository_origin.get_label() == "__repository__@aggregation_pipeline"


def test_an_executor_can_be_put_around_dagsters_own():
    """automation: a run's row is written in the run's own process, before the first step."""
    assert set(Executor.__abstractmethods__) == {"execute", "retries"}
    assert list(inspect.signature(Executor.execute).parameters) == ["self", "plan_context", "execution_plan"]
    for definition in (in_process_executor, multiprocess_executor):
        assert callable(definition.executor_creation_fn)
        assert definition.get_requirements({}) is not None


def test_a_code_server_can_be_asked_with_a_time_limit():
    """services: the watch over the code server must not wait for ever for one that is frozen."""
    parameters = list(inspect.signature(DagsterGrpcClient._get_response).parameters)
    assert parameters == ["self", "method", "request", "timeout"]
    fields = {field.name for field in dagster_api_pb2.ListRepositoriesReply.DESCRIPTOR.fields}
    assert "serialized_list_repositories_response_or_error" in fields
    assert "timeout" in inspect.signature(DagsterGrpcClient.reload_code).parameters
    assert "timeout" in inspect.signature(DagsterGrpcClient.shutdown_server).parameters


def test_a_code_location_can_be_asked_whether_it_lives_and_which_sensors_it_has():
    """health: the question goes to the process that has the code, and has a time limit."""
    assert "self.client = " in inspect.getsource(GrpcServerCodeLocation.__init__)
    assert "timeout" in inspect.signature(DagsterGrpcClient.get_server_id).parameters
    assert 'self._query("GetServerId", request, context)' in inspect.getsource(DagsterProxyApiServicer.GetServerId)
    assert callable(WorkspaceProcessContext.get_current_workspace)
    assert callable(GrpcServerCodeLocation.get_repositories)
    assert callable(RemoteRepository.get_sensors)
    assert isinstance(RemoteSensor.default_status, property)


def test_the_gate_can_be_put_before_dagsters_webserver():
    """web: middleware and routes are taken from these methods."""
    assert callable(DagsterWebserver.build_middleware)
    assert callable(DagsterWebserver.build_routes)
    parameters = inspect.signature(DagsterWebserver.__init__).parameters
    assert list(parameters)[1:3] == ["process_context", "app_path_prefix"]
    assert "live_data_poll_rate" in parameters


def test_roles_can_be_put_into_the_context_of_a_request():
    """web: Dagster asks this context for permissions, for tags of backfills, and whether to show dagster.yaml."""
    assert list(inspect.signature(DagsterWebserver._make_request_context).parameters) == ["self", "conn"]
    assert callable(DagsterWebserver.build_graphql_schema)
    assert list(inspect.signature(DagsterWebserver.index_html_endpoint).parameters) == ["self", "request"]
    assert isinstance(inspect.getattr_static(WorkspaceRequestContext, "permissions"), property)
    assert isinstance(inspect.getattr_static(WorkspaceRequestContext, "show_instance_config"), property)
    assert list(inspect.signature(WorkspaceRequestContext.permissions_for_location).parameters)[1:] == ["location_name"]
    assert callable(WorkspaceRequestContext.get_viewer_tags)


def test_authlib_finds_what_it_has_kept_by_a_mark_in_the_session():
    """web: the mark is in a cookie of ours, because there is no other session yet."""
    with warnings.catch_warnings():
        from authlib.deprecate import AuthlibDeprecationWarning

        warnings.simplefilter("ignore", AuthlibDeprecationWarning)
        from authlib.integrations.starlette_client import StarletteIntegration, StarletteOAuth2App
    assert 'key = f"_state_{self.name}_{state}"' in inspect.getsource(StarletteIntegration.get_state_data)
    assert "session.get(key) is None" in inspect.getsource(StarletteIntegration.get_state_data)
    assert callable(StarletteOAuth2App.save_authorize_data)
    assert callable(StarletteOAuth2App.create_authorization_url)


def test_the_event_log_of_postgresql_can_keep_a_connection():
    """instance: replaces the engine of Dagster's event log and puts that event log into Dagster's storage."""
    assert "self._engine = " in inspect.getsource(PostgresEventLogStorage.__init__)
    assert "self.postgres_url = " in inspect.getsource(PostgresEventLogStorage.__init__)
    assert callable(PostgresEventLogStorage.initialize_concurrency_limit_to_default)
    assert callable(PostgresEventLogStorage._event_to_row)
    assert callable(PostgresEventLogStorage._tags_for_asset_event)
    assert "self._event_log_storage = " in inspect.getsource(DagsterPostgresStorage.__init__)


def test_the_code_server_takes_the_options_that_the_supervisor_gives():
    """services: its command line, and that an inner server ends when its outer one has sent no heartbeat."""
    options = {option for parameter in code_server.start_command.params for option in parameter.opts}
    assert {"--socket", "--module-name", "--location-name", "--log-level"} <= options
    assert "heartbeat=True" in inspect.getsource(GrpcServerRegistry)


def test_the_code_server_looks_for_dead_runs_in_a_thread_of_this_name():
    """instance: only this thread waits for a PostgreSQL that is away; it ends with an error, and nobody restarts it."""
    assert 'name="grpc-server-cleanup"' in inspect.getsource(DagsterApiServer.__init__)


def test_apprise_says_in_its_log_why_a_message_was_not_delivered(caplog: pytest.LogCaptureFixture):
    """alerts: notify() returns only True or False; its log lines have the reason."""
    channel = apprise.Apprise.instantiate("json://127.0.0.1:1")
    assert channel is not None
    apprise_logger.addHandler(caplog.handler)
    try:
        assert not channel.notify(body="body", title="title")
    finally:
        apprise_logger.removeHandler(caplog.handler)
    assert apprise_logger.name == "apprise"
    assert [line for line in caplog.messages if "A Connection error occurred" in line]


def test_oss2_logs_below_one_name():
    """storage: its lines hold Authorization headers and strings that are signed, so they are kept out of all logs."""
    assert oss2.logger.name == "oss2"
    assert "oss2.api" in logging.root.manager.loggerDict


def test_oss2_takes_an_adapter_for_its_connections_and_signs_keys_with_slashes():
    """storage: our adapter sends a space as it was signed, and reads replies that oss2 leaves half-read."""
    assert "adapter" in inspect.signature(oss2.Session.__init__).parameters
    assert "slash_safe" in inspect.signature(oss2.Bucket.sign_url).parameters

"""What people read of an error that Dagster recorded."""

import pytest
from dagster_shared.error import SerializableErrorInfo

from aggregation_pipeline.runs.error_text import innermost_message


def error(message: str, cls_name: str, cause: SerializableErrorInfo | None = None) -> SerializableErrorInfo:
    return SerializableErrorInfo(message, [], cls_name, cause)


OURS = error("aggregation_pipeline.errors.SourceError: no such column\n", "SourceError")


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        (None, None),
        (OURS, "SourceError: no such column"),
        (error("dagster._core.errors.DagsterExecutionStepExecutionError: Error", "DagsterExecution", OURS),
         "SourceError: no such column"),
        (error("RetryRequested", "RetryRequested", error("Dagster wraps", "DagsterError", OURS)),
         "SourceError: no such column"),
        (error("DagsterUserCodeUnreachableError: no server", "DagsterUserCodeUnreachableError",
               error("<_InactiveRpcError ...>", "_InactiveRpcError")), "DagsterUserCodeUnreachableError: no server"),
        (error("ValueError: ours", "ValueError", error("KeyError: below", "KeyError")), "ValueError: ours"),
    ],
)  # fmt: skip
def test_the_message_is_that_below_dagsters_own_errors_without_the_modules_path(recorded, message):
    assert innermost_message(recorded) == message

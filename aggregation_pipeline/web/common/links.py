"""Links in answers: paths on this server, below its `--path-prefix`."""

from urllib.parse import quote

from starlette.requests import HTTPConnection


def link(connection: HTTPConnection, *segments: str) -> str:
    """Return the path of these segments, as `/dagster/status/<id>`."""
    return "/".join([str(connection.scope.get("root_path", "")), *(quote(segment, safe="") for segment in segments)])


def run_link(connection: HTTPConnection, run_id: str) -> str:
    """Return the path of a run in Dagster's UI."""
    return link(connection, "runs", run_id)


def batch_link(connection: HTTPConnection, run_id: str) -> str:
    """Return the path of a batch's answer, `/status/<id>`."""
    return link(connection, "status", run_id)

"""A server for PostgREST's rpc calls. It executes them on PostgreSQL, as the role of the token."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import sqlalchemy as sa

# The HTTP status of PostgREST's answer, by SQLSTATE. 42501 is 401 without a role, 403 with one.
_STATUS = {"42501": 403, "42P01": 404, "42883": 404, "23514": 400, "22P02": 400, "22021": 400, "22P05": 400}


@dataclass
class FakePostgrest:
    """The server.

    Attributes:
        tokens: roles by key.
        faults: the next requests use them up, one each. A number is an HTTP status, and "reset" breaks the connection,
            both before the call is executed. "lost" breaks it after the call.
        calls: names of the functions that were called.
    """

    url: str
    tokens: dict[str, str]
    faults: list[int | str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request. `engine` and `fake` are set in a subclass for each server."""

    engine: sa.Engine
    fake: FakePostgrest

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        function = self.path.removeprefix("/rest/v1/rpc/")
        self.fake.calls.append(function)
        fault = self.fake.faults.pop(0) if self.fake.faults else None
        if isinstance(fault, int):
            self._answer(fault, {"message": "fault"})
            return
        if fault == "reset":
            self.connection.close()
            return
        role = self.fake.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if role is None or self.headers.get("apikey") not in self.fake.tokens:
            self._answer(401, {"message": "Invalid API key"})
            return
        status, result = _execute(self.engine, function, body, role)
        if fault == "lost":
            self.connection.close()
        else:
            self._answer(status, result)

    def _answer(self, status: int, value: Any) -> None:
        content = json.dumps(value, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None: ...


def _execute(engine: sa.Engine, function: str, arguments: dict[str, Any], role: str) -> tuple[int, Any]:
    """Call a function of the schema public as a role. Returns the HTTP status and the body of PostgREST's answer."""
    names = ", ".join(f"{name} => arguments.{name}" for name in arguments)
    try:
        with engine.begin() as connection:
            known = connection.execute(
                sa.text("SELECT proretset, pg_get_function_arguments(oid) FROM pg_proc WHERE proname = :name"),
                {"name": function},
            ).first()
            if known is None:
                missing = f"Could not find the function public.{function} in the schema cache"
                return 404, {"code": "PGRST202", "message": missing}
            columns = ", ".join(
                part.split(" DEFAULT ")[0].strip() for part in known[1].split(",") if part.split()[0] in arguments
            )
            connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
            # The body as a record of the arguments' types, as PostgREST itself does it.
            found = connection.exec_driver_sql(
                f"SELECT public.{function}({names}) FROM json_to_record(%s) AS arguments({columns})",
                (json.dumps(arguments),),
            ).scalars()
            return 200, list(found) if known[0] else found.one()
    except sa.exc.DBAPIError as error:
        code = getattr(error.orig, "pgcode", None) or "XX000"
        message = str(error.orig).split("\n", maxsplit=1)[0]
        return _STATUS.get(code, 400), {"code": code, "message": message, "hint": None}


@contextmanager
def serving(engine: sa.Engine, tokens: dict[str, str]) -> Iterator[FakePostgrest]:
    """Serve the functions of a database, to keys and their roles, until the block ends."""

    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake = FakePostgrest(f"http://127.0.0.1:{server.server_port}", tokens)
    Handler.engine, Handler.fake = engine, fake
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()

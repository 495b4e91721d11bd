"""The command line client: it reads from a server without our driver, and prints what the server sends."""

import shutil
import subprocess
from collections.abc import Sequence

from aggregation_pipeline_tests.support.servers.handles import MySQLServer

INSTALL = "the client `mariadb` is missing: apt-get install mariadb-client (Debian, Ubuntu) or brew install mariadb"
_ESCAPED = {ord("0"): b"\0", ord("t"): b"\t", ord("n"): b"\n", ord("\\"): b"\\"}


def ask(server: MySQLServer, database: str, statements: Sequence[str]) -> list[list[bytes | None]]:
    """Return the rows of the last statement, each cell as the bytes that came. The text "NULL" becomes None, too.

    Raises:
        FileNotFoundError: the client is not installed.
        CalledProcessError: the server refuses a statement.
    """
    program = shutil.which("mariadb") or shutil.which("mysql")
    if program is None:
        raise FileNotFoundError(INSTALL)
    command = [
        program,
        "--no-defaults",
        f"--socket={server.unix_socket}",
        f"--user={server.user}",
        f"--database={database}",
    ]
    options = ["--batch", "--skip-column-names", "--default-character-set=utf8mb4", "--skip-ssl"]
    script = ";\n".join(statements).encode()
    printed = subprocess.run([*command, *options], input=script, capture_output=True, check=True).stdout
    return [[_cell(cell) for cell in line.split(b"\t")] for line in printed.split(b"\n")[:-1]]


def _cell(printed: bytes) -> bytes | None:
    if printed == b"NULL":
        return None
    parts = printed.split(b"\\")
    # Every escaped byte follows a backslash, so each part but the first begins with one. `\\\\` leaves an empty part.
    result, position = parts[0], 1
    while position < len(parts):
        part = parts[position]
        if part == b"":
            result += b"\\" + (parts[position + 1] if position + 1 < len(parts) else b"")
            position += 2
        else:
            result += _ESCAPED[part[0]] + part[1:]
            position += 1
    return result

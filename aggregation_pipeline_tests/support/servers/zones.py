"""Load the time zone tables of a test's server from the zones of this machine, as a DBA does."""

import re
import shutil
import subprocess
from typing import Any

import pymysql
from pymysql.constants import CLIENT

INSTALL = (
    "mariadb-tzinfo-to-sql is missing: apt-get install mariadb-client tzdata (Debian, Ubuntu) or brew install mariadb"
)
ZONES = "/usr/share/zoneinfo"
_TABLES = ("time_zone", "time_zone_name", "time_zone_transition", "time_zone_transition_type")
# The same zones again, under other names.
_DUPLICATES = ("('posix/", "('right/")
_AT_ONCE = 50


def load_zones(unix_socket: str) -> None:
    """Fill the time zone tables of the server at `unix_socket`, as root; half a second for all zones.

    The tool is MariaDB's, and what it writes around the INSERT statements is for MariaDB only: MySQL gets the
    statements alone. Raises FileNotFoundError without the tool.
    """
    # Debian has the second name only in its whole server package.
    tool = shutil.which("mariadb-tzinfo-to-sql") or shutil.which("mysql_tzinfo_to_sql")
    if tool is None:
        raise FileNotFoundError(INSTALL)
    script = subprocess.run([tool, ZONES], check=True, capture_output=True, text=True).stdout.partition(
        "\nUNLOCK TABLES"
    )[0]
    zones = re.split(r"^(?=INSERT INTO time_zone \()", script, flags=re.MULTILINE)[1:]
    zones = [zone for zone in zones if not any(name in zone for name in _DUPLICATES)]
    connection: pymysql.Connection[Any] = pymysql.connect(
        unix_socket=unix_socket,
        user="root",
        database="mysql",
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
        ssl_disabled=True,
    )
    with connection, connection.cursor() as cursor:
        for table in _TABLES:
            cursor.execute(f"TRUNCATE TABLE {table}")
        # Locked once, not for every statement: it takes a third of the time.
        cursor.execute(f"LOCK TABLES {', '.join(f'{table} WRITE' for table in _TABLES)}")
        for first in range(0, len(zones), _AT_ONCE):
            cursor.execute("".join(zones[first : first + _AT_ONCE]))
            while cursor.nextset():
                pass

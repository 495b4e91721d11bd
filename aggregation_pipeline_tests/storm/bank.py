"""The source of the storm: money that moves between accounts. Every snapshot has to show the same total.

A transfer changes two accounts and adds a row to the ledger, in one transaction, and the transfers run one after the
other. So the ledger's numbers are in the order of the commits, and the ledger alone tells what a snapshot that saw
number n must hold.
"""

import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pymysql

from aggregation_pipeline.embedded.process import socket_accepts
from aggregation_pipeline_tests.support.servers.mariadb import MariaDB, start_again, start_mariadb

ACCOUNTS: Final = 200
BRANCHES: Final = ("north", "east", "south", "west", "Überlingen", "杭州")
OPENING: Final = Decimal("1000.00")
TOTAL: Final = ACCOUNTS * OPENING
# Transfers have days of the first list. The days of the second list do not change, and are published again and again.
MOVING_DAYS: Final = tuple(f"2026-10-{day:02}" for day in range(1, 5))
QUIET_DAYS: Final = ("2026-10-05", "2026-10-06")
DAYS: Final = (*MOVING_DAYS, *QUIET_DAYS)
# So many rows that its file is uploaded to OSS in parts.
ARCHIVE: Final = 100_000
READER: Final = "exporter"
CONFIG: Final = f"""
tables:
  accounts:
    group_by: [branch]
    aggregations:
      - {{function: COUNT, alias: accounts}}
      - {{function: SUM, field: balance, alias: balance}}
      - {{function: SUM, field: moves, alias: moves}}
      - {{expr: '(SELECT COUNT(*) FROM ledger)', alias: entries}}
      - {{expr: '(SELECT MAX(id) FROM ledger)', alias: seen}}
    select_fields: [id, branch, balance, moves]
    keep_last: 3
  moves:
    table: ledger
    aggregations:
      - {{function: COUNT, alias: entries}}
      - {{function: SUM, field: amount, alias: amount}}
    select_fields: [id, sender, receiver, amount]
    partition: {{column: day, every: day, start: {DAYS[0]}}}
    schedule: none
  archive:
    select_fields: [id, words]
    formats: csv
    schedule: none
    keep_last: 2
"""
_OPENING_DAY: Final = (
    "CREATE DATABASE bank CHARACTER SET utf8mb4",
    """CREATE TABLE bank.accounts (
           id INT PRIMARY KEY, branch VARCHAR(20), balance DECIMAL(18,2) NOT NULL, moves INT NOT NULL DEFAULT 0)""",
    """CREATE TABLE bank.ledger (
           id BIGINT AUTO_INCREMENT PRIMARY KEY, day DATETIME NOT NULL, sender INT NOT NULL, receiver INT NOT NULL,
           amount DECIMAL(18,2) NOT NULL, KEY (day))""",
    "CREATE TABLE bank.archive (id INT PRIMARY KEY, words VARCHAR(200))",
    f"INSERT INTO bank.archive SELECT seq, REPEAT(SHA2(seq, 256), 3) FROM bank.seq_1_to_{ARCHIVE}",
    f"CREATE USER {READER}@localhost",
    f"GRANT SELECT ON bank.* TO {READER}@localhost",
)


@dataclass
class Bank:
    """MariaDB with the accounts, and the thread that moves money. `refused`: transfers that the server did not take."""

    server: MariaDB
    transfers: int = 0
    refused: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(1))
    _over: threading.Event = field(default_factory=threading.Event)
    _open: threading.Event = field(default_factory=threading.Event)
    _counter: threading.Lock = field(default_factory=threading.Lock)

    @property
    def variables(self) -> dict[str, str]:
        """The variables that point a deployment to the bank."""
        return {"DB_SOCKET": str(self.server.socket), "DB_USER": READER, "DB_NAME": "bank"}

    def connect(self, database: str | None = "bank") -> "pymysql.Connection[Any]":
        """Open a connection as the administrator."""
        connection: pymysql.Connection[Any] = pymysql.connect(
            unix_socket=str(self.server.socket),
            user="root",
            database=database,
            autocommit=True,
            charset="utf8mb4",
            read_timeout=60,
        )
        return connection

    def begin(self) -> None:
        """Begin with transfers."""
        self._open.set()
        threading.Thread(target=self._move, name="money", daemon=True).start()

    def close(self) -> None:
        """Stop transfers, and wait until the last one is committed."""
        self._open.clear()
        with self._counter:
            pass

    def stop(self) -> None:
        """Stop the server."""
        self._over.set()
        self.server.stop()

    def restart(self, *, kill: bool, seconds: float) -> None:
        """Stop or kill the server, and start it again after so many seconds."""
        if kill:
            self.server.child.popen.kill()
            self.server.child.popen.wait()
        else:
            self.server.stop()
        time.sleep(seconds)
        self.server = start_again(self.server)

    def sessions(self) -> list[str]:
        """Return the sessions that the pipeline has at the server."""
        with self.connect(None) as connection, connection.cursor() as cursor:
            sql = (
                "SELECT CONCAT(id, ' ', command, ' ', COALESCE(info, '')) FROM information_schema.processlist WHERE"
                " user = %s"
            )
            cursor.execute(sql, (READER,))
            return [row[0] for row in cursor.fetchall()]

    def accounts_at(self, seen: int) -> dict[int, tuple[Decimal, int]]:
        """Return each account's balance and number of moves when `seen` was the newest number in the ledger."""
        balances = dict.fromkeys(range(1, ACCOUNTS + 1), OPENING)
        moves = dict.fromkeys(balances, 0)
        for _, sender, receiver, amount in self.ledger(seen):
            balances[sender] -= amount
            balances[receiver] += amount
            moves[sender] += 1
            moves[receiver] += 1
        return {number: (balances[number], moves[number]) for number in balances}

    def ledger(self, seen: int, day: str | None = None) -> list[tuple[int, int, int, Decimal]]:
        """Return the rows of the ledger up to the number `seen`, of one day or of all."""
        with self.connect() as connection, connection.cursor() as cursor:
            which = "" if day is None else "AND DATE(day) = %(day)s"
            cursor.execute(
                f"SELECT id, sender, receiver, amount FROM ledger WHERE id <= %(seen)s {which} ORDER BY id",
                {"seen": seen, "day": day},
            )
            return list(cursor.fetchall())

    def newest(self) -> int:
        """Return the newest number in the ledger."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT COALESCE(MAX(id), 0) FROM ledger")
            row = cursor.fetchone()
            assert row is not None
            return int(row[0])

    def _move(self) -> None:
        while not self._over.is_set():
            # PyMySQL does not close a socket that was refused.
            if socket_accepts(self.server.socket):
                with suppress(pymysql.MySQLError, OSError), self.connect() as connection:
                    self._move_with(connection)
                self.refused += 1
            self._over.wait(0.2)

    def _move_with(self, connection: "pymysql.Connection[Any]") -> None:
        with connection.cursor() as cursor:
            while not self._over.is_set():
                if not self._open.wait(0.5):
                    continue
                with self._counter:
                    if self._open.is_set():
                        self._transfer(connection, cursor)
                self._over.wait(0.01)

    def _transfer(self, connection: "pymysql.Connection[Any]", cursor: Any) -> None:
        sender, receiver = self._chance.sample(range(1, ACCOUNTS + 1), 2)
        amount = Decimal(self._chance.randint(1, 99_999)) / 100
        day = f"{self._chance.choice(MOVING_DAYS)} {self._chance.randint(0, 23):02}:30:00"
        connection.begin()
        cursor.execute("UPDATE accounts SET balance = balance - %s, moves = moves + 1 WHERE id = %s", (amount, sender))
        cursor.execute(
            "UPDATE accounts SET balance = balance + %s, moves = moves + 1 WHERE id = %s", (amount, receiver)
        )
        cursor.execute(
            "INSERT INTO ledger (day, sender, receiver, amount) VALUES (%s, %s, %s, %s)",
            (day, sender, receiver, amount),
        )
        connection.commit()
        self.transfers += 1


def open_bank(folder: Path) -> Bank:
    """Start a bank on a server of its own, with its accounts and without transfers yet.

    A committed transfer outlives a kill of the server: the log goes to the operating system at once, and pages are
    written twice.
    """
    bank = Bank(start_mariadb(folder, options=["--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=1"]))
    try:
        _fill(bank)
    except BaseException:
        bank.stop()
        raise
    return bank


def _fill(bank: Bank) -> None:
    rows = [(number, BRANCHES[number % len(BRANCHES)], OPENING) for number in range(1, ACCOUNTS + 1)]
    with bank.connect(None) as connection, connection.cursor() as cursor:
        for statement in _OPENING_DAY:
            cursor.execute(statement)
        cursor.executemany("INSERT INTO bank.accounts (id, branch, balance) VALUES (%s, %s, %s)", rows)
        for number, day in enumerate(QUIET_DAYS * 20):
            pair = (number % ACCOUNTS + 1, (number + 7) % ACCOUNTS + 1)
            cursor.execute(
                "INSERT INTO bank.ledger (day, sender, receiver, amount) VALUES (%s, %s, %s, 1)",
                (f"{day} 09:00:00", *pair),
            )
            cursor.execute(
                "UPDATE bank.accounts SET balance = balance - 1, moves = moves + 1 WHERE id = %s", (pair[0],)
            )
            cursor.execute(
                "UPDATE bank.accounts SET balance = balance + 1, moves = moves + 1 WHERE id = %s", (pair[1],)
            )

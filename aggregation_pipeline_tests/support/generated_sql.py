"""Random entries over tables with masked columns: ordinary ones, and ones that try to get around the masks."""

import random
from typing import Any, Final

OPEN: Final = ("id", "status", "city")
MASKED: Final = ("phone", "name", "salary", "birthday")
RULES: Final = ("partial", "hash", "drop")
TABLES: Final = (
    """CREATE TABLE users (id INT PRIMARY KEY, status VARCHAR(10), city VARCHAR(10), phone BIGINT, name VARCHAR(40),
        salary DECIMAL(12,2), birthday DATE)""",
    "CREATE TABLE orders (id INT PRIMARY KEY, user_id INT, city VARCHAR(10), total INT)",
    "INSERT INTO orders VALUES (1, 1, 'Bonn', 5), (2, 1, 'Ulm', 7), (3, 4, 'Ulm', 9), (4, 6, NULL, 1)",
)
# Per row: the open cells, then two versions of the masked cells.
CELLS: Final = tuple(
    (
        f"{number}, '{'new' if number % 2 else 'old'}', '{('Bonn', 'Ulm', 'Hof')[number % 3]}'",
        f"{13812340000 + number * 7}, 'Canary{number}Left', {90123 + number * 11}.50, '198{number}-01-1{number}'",
        f"{17799990000 - number * 5}, 'Sparrow{number}On', {31007 - number * 13}.25, '197{9 - number}-08-2{number}'",
    )
    for number in range(1, 7)
)
# Rows with equal values are ordered by the key too, because their order differs between servers.
_SCALARS: Final = (
    "LOWER({0})",
    "LENGTH({0})",
    "REVERSE({0})",
    "CONCAT('x@', {0})",
    "CONCAT({0}, '|', {1})",
    "SUBSTR({0}, 2, 3)",
    "HEX({0})",
    "MD5({0})",
    "{0} + {1}",
    "{0} * 2",
    "{0} = {1}",
    "{0} < {1}",
    "({0})",
    "-{0}",
    "IF({0} > {1}, 1, 0)",
    "IFNULL({0}, {1})",
    "COALESCE(NULL, {0})",
    "CASE WHEN {0} LIKE '%1%' THEN {1} END",
    "CASE {0} WHEN {1} THEN 'a' ELSE 'b' END",
    "NULLIF({0}, {1})",
    "GREATEST({0}, {1})",
    "CAST({0} AS CHAR)",
    "CONVERT({0} USING utf8mb4)",
    "TRIM(BOTH '1' FROM {0})",
    "YEAR({0})",
    "DATE '2020-01-01' + INTERVAL {0} DAY",
    "{0} IS NULL",
    "{0} IN ({1}, 5)",
    "{0} BETWEEN 1 AND {1}",
    "ELT(2, {0}, {1})",
    "FIELD({0}, {1})",
    "JSON_ARRAY({0}, {1})",
    "CRC32({0})",
)
_WINDOWS: Final = (
    "SUM({0}) OVER (PARTITION BY {1})",
    "ROW_NUMBER() OVER (ORDER BY {0}, id)",
    "LAG({0}) OVER (ORDER BY id)",
    "COUNT({0}) OVER ()",
    "MAX({0}) OVER (ORDER BY id)",
    "RANK() OVER (ORDER BY {0})",
    "FIRST_VALUE(id) OVER (ORDER BY {0}, id)",
)
_SUB_SELECTS: Final = (
    "(SELECT MAX(u.{c}) FROM users u)",
    "(SELECT {c} FROM users u WHERE u.id = 3)",
    "(SELECT COUNT(*) FROM users u WHERE u.{c} > {0})",
    "(SELECT COUNT({c}) FROM users u)",
    "(SELECT COUNT(DISTINCT u.{c}) FROM users AS u)",
    "(SELECT GROUP_CONCAT({c} ORDER BY id) FROM users u)",
    "(SELECT GROUP_CONCAT(id ORDER BY {c}, id) FROM users u)",
    "(SELECT MAX(v) FROM (SELECT {c} AS v FROM users) z)",
    "(SELECT MAX(d) FROM (SELECT * FROM users) z(a, b, c, d, e, f, g))",
    "(WITH w AS (SELECT * FROM users) SELECT MAX({c}) FROM w)",
    "(WITH w(a, b, c, d, e, f, g) AS (SELECT * FROM users) SELECT MAX(e) FROM w)",
    "(WITH w AS (SELECT {c} AS v FROM users) SELECT MIN(v) FROM w)",
    "(SELECT MAX(b) FROM (SELECT 1 AS a, 2 AS b UNION ALL SELECT id, {c} FROM users) z)",
    "(SELECT MAX(o.id) FROM orders o NATURAL JOIN users u)",
    "(SELECT COUNT(*) FROM orders o JOIN users u USING ({c}))",
    "(SELECT MAX(o.total) FROM orders o WHERE o.city = {0})",
    "(SELECT MAX(o.{c}) FROM orders o)",
    "(SELECT SUM(total) FROM orders)",
    "(SELECT MAX(users.id) FROM orders users)",
    "EXISTS(SELECT 1 FROM orders)",
    "EXISTS(SELECT * FROM orders o WHERE o.id = {0})",
    "({0} = ANY (SELECT {c} FROM users u))",
    "(SELECT `a{n}`)",
    "(SELECT CONCAT(a{n}, {0}))",
    "(SELECT `output {n}`)",
    "(SELECT o{n})",
    "(SELECT MAX(u.id) FROM users u WHERE u.{c} = (SELECT MAX({c}) FROM users))",
    "(SELECT id FROM users u ORDER BY {c}, id LIMIT 1)",
    "(SELECT MAX(x) FROM (SELECT LAG({c}) OVER (ORDER BY id) AS x FROM users) z)",
    "(SELECT MAX(q.{c}) FROM (SELECT u.* FROM users u) q)",
    "(SELECT COUNT(DISTINCT {c}, id) FROM users u)",
)
_AGGREGATES: Final = (
    "COUNT({c})",
    "COUNT(DISTINCT {c})",
    "COUNT(DISTINCT {c}, id)",
    "COUNT(*)",
    "COUNT(*) + COUNT(users.{c})",
    "SUM({0})",
    "AVG({0})",
    "MIN({0})",
    "MAX({0})",
    "STDDEV_SAMP({0})",
    "GROUP_CONCAT({0} ORDER BY {1}, {0})",
    "COUNT(NULLIF({0}, {1}))",
    "COUNT(DISTINCT {0})",
    "SUM({0} > {1})",
    "BIT_XOR({0})",
    "MAX({0}) - MIN({1})",
)


class EntryGenerator:
    """Generates entries, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def masking_entry(self) -> dict[str, Any]:
        """The entry that masks the columns, each by a random rule."""
        rules = {column: self._random.choice(RULES) for column in MASKED}
        return {"name": "users", "select_fields": [*OPEN, *MASKED], "mask": rules}

    def random_entry(self, name: str) -> dict[str, Any]:
        """An entry over either table; it masks few of its outputs."""
        table = self._random.choice(("users", "users", "orders"))
        keys: dict[str, Any] = {"name": name, "table": table}
        columns = [self._output(position, table) for position in range(1, self._random.randint(2, 4))]
        outputs = columns
        if self._random.random() < 0.4:
            aggregations = [
                {"expr": self._aggregate(table), "alias": f"a{len(columns) + position}"}
                for position in range(1, self._random.randint(2, 4))
            ]
            keys |= {"group_by": columns, "aggregations": aggregations}
            outputs = columns + aggregations
        elif self._random.random() < 0.1:
            keys |= {"select_fields": ["*"], "order_by": [self._column(table)]}
            outputs = []
        else:
            keys["select_fields"] = columns
        mask = {
            output["alias"]: self._random.choice(RULES)
            for output in outputs
            if self._random.random() < self._mask_probability(output["expr"])
        }
        if not outputs and table == "users":
            mask = {column: self._random.choice(RULES) for column in MASKED if self._random.random() < 0.8}
        keys["mask"] = mask
        if self._random.random() < 0.6:
            keys["allow"] = {"tables": ["users"]}
        return keys

    def _mask_probability(self, sql: str) -> float:
        return 0.6 if any(column in sql.lower() for column in MASKED) else 0.04

    def _output(self, position: int, table: str) -> dict[str, Any]:
        return {
            "expr": self._expression(2, table),
            # Servers garble long names, so the statement replaces them.
            "alias": f"a{position}" if self._random.random() < 0.9 else "x" * (70 + position),
        }

    def _aggregate(self, table: str) -> str:
        return self._fill(self._random.choice(_AGGREGATES), 1, table)

    def _expression(self, depth: int, table: str) -> str:
        kind = self._random.random()
        if depth == 0 or kind < 0.3:
            return self._column(table)
        patterns = _SCALARS if kind < 0.6 else _SUB_SELECTS if kind < 0.95 else _WINDOWS
        return self._fill(self._random.choice(patterns), depth - 1, table)

    def _fill(self, pattern: str, depth: int, table: str) -> str:
        """Put expressions, a column and the number of an output into the places of a pattern."""
        values = [self._expression(depth, table) for _ in range(2)]
        column = self._random.choice((*MASKED, *OPEN))
        return pattern.format(*values, c=column, n=self._random.randint(1, 4))

    def _column(self, table: str) -> str:
        if table == "orders":
            return self._random.choice(("id", "user_id", "city", "orders.total"))
        column = self._random.choice((*OPEN, *OPEN, *MASKED))
        return self._random.choice(("{}", "{}", "users.{}", "`{}`", "(users.`{}`)")).format(
            column if self._random.random() < 0.8 else column.upper()
        )

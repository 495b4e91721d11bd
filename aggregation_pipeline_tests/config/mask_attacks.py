"""Ways to see a masked column without its mask, and entries that only look like one.

The table is users(id, status, phone, name, birthday); phone is masked, wherever the entry `users` shows it.
"""

from typing import Any

# Fields of the entry that masks the column.
FIELDS = {
    "qualified": "users.phone",
    "with its database": "shop.users.phone",
    "in backticks": "`phone` + 0",
    "in capitals": "PHONE + 0",
    "with an accent, as seekdb takes it": "`phoné`",
    "with a dotted capital": "`İd` + phone",
    "with blanks behind": "`phone  `",
    "a function of it": "SUBSTR(phone, 1)",
    "its letters turned": "REVERSE(CAST(phone AS CHAR))",
    "its length": "LENGTH(phone)",
    "a comparison": "phone = '13812345678'",
    "a condition": "CASE WHEN phone > 13800000000 THEN 'high' ELSE 'low' END",
    "an IF": "IF(phone IS NULL, 0, 1)",
    "the unit of an interval": "DATE '2000-01-01' + INTERVAL phone SECOND",
    "behind FROM inside a function": "TRIM(LEADING '0' FROM phone)",
    "JSON by an arrow": "phone->'$.number'",
    "a full text search": "MATCH (phone) AGAINST ('138*' IN BOOLEAN MODE)",
    "a default": "DEFAULT(phone)",
    "a sum over a window": "SUM(phone) OVER (PARTITION BY id)",
    "a rank by it": "ROW_NUMBER() OVER (ORDER BY phone)",
    "a count over a window ordered by it": "COUNT(*) OVER (ORDER BY phone)",
    "a neighbour": "LAG(phone) OVER (ORDER BY id)",
    "an alias of the entry in a sub-select": "(SELECT phone)",
    "a count with a blank, which is a stored function": "(SELECT COUNT (phone))",
    "a correlated sub-select": "(SELECT MAX(u.phone) FROM users u WHERE u.id = users.id)",
    "a sub-select of the masked table that names no column of it": "(SELECT COUNT(*) FROM users u)",
    "all columns under other names": "(select group_concat(c) from (select * from users) z(a,b,c))",
    "all columns of an alias": "(SELECT GROUP_CONCAT(c) FROM (SELECT u.* FROM users u) z(a,b,c))",
    "all columns behind a modifier": "(SELECT GROUP_CONCAT(c) FROM (SELECT SQL_NO_CACHE * FROM users) z(a,b,c))",
    "a table without SELECT": "(SELECT GROUP_CONCAT(c) FROM (TABLE users) z(a,b,c))",
    "a union that names the columns": (
        "(SELECT MAX(b) FROM (SELECT 1 AS a, 2 AS b UNION ALL SELECT id, phone FROM users) z)"
    ),
    "a union of all columns": "(SELECT MAX(b) FROM (SELECT 1 AS a, 2 AS b, 3 AS c UNION ALL SELECT * FROM users) z)",
    "a WITH": "(WITH c AS (SELECT * FROM users) SELECT MAX(phone) FROM c)",
    "a WITH under other names": "(WITH c(a, b, d) AS (SELECT * FROM users) SELECT MAX(b) FROM c)",
    "a WITH called as the table": "(WITH users AS (SELECT * FROM users) SELECT COUNT(*) FROM users)",
    "a recursive WITH": (
        "(WITH RECURSIVE c AS (SELECT phone AS p FROM users UNION SELECT p FROM c) SELECT MAX(p) FROM c)"
    ),
    "a natural join": "(SELECT MAX(o.id) FROM orders o NATURAL JOIN users)",
    "a join by USING": "(SELECT MAX(o.id) FROM orders o JOIN users USING (phone))",
    "a lateral table": "(SELECT MAX(q) FROM LATERAL (SELECT phone AS q) z)",
    "the database before the table": "(SELECT MAX(u.phone) FROM `shop` . `users` u)",
    "the table in capitals": "(SELECT COUNT(*) FROM USERS)",
    "a comment before the table": "(SELECT COUNT(*) FROM /* the */ users)",
    "an alias of another table that is also one of this": "(SELECT (SELECT MAX(c.phone) FROM users c) FROM contacts c)",
    "a stored function": "phone_of(id)",
    "a stored function with its database": "shop.upper(id)",
    "a stored function in backticks": "`left`(id, 3)",
    "a stored function called as an alias": "(SELECT MAX(f(a)) FROM (SELECT 1) f(a))",
    "statistics of the server": "(SELECT MAX(histogram) FROM information_schema.column_statistics)",
    "statistics of MariaDB": "(SELECT MAX(max_value) FROM mysql.column_stats)",
    "statements of others": "(SELECT MAX(sql_text) FROM performance_schema.events_statements_history)",
    "a summary of statements": "(SELECT MAX(query) FROM sys.statement_analysis)",
    "statements of others on seekdb": "(SELECT MAX(query_sql) FROM oceanbase.GV$OB_SQL_AUDIT)",
}
# Aggregations of the entry that masks the column.
AGGREGATIONS = {
    "its sum": "SUM(phone)",
    "its mean": "AVG(phone)",
    "its spread": "STDDEV_SAMP(phone)",
    "its maximum": "MAX(phone)",
    "any of it": "ANY_VALUE(phone)",
    "all of it": "GROUP_CONCAT(phone)",
    "something in its order": "GROUP_CONCAT(id ORDER BY phone)",
    "its bits": "BIT_XOR(phone)",
    "a sum of a condition on it": "SUM(phone > 13800000000)",
    "a count of a condition on it": "COUNT(NULLIF(phone, 13812345678))",
    "a count of several conditions": "COUNT(DISTINCT id, phone > 13800000000)",
    "a count beside it": "COUNT(phone) + MAX(phone)",
    "a count that is a stored function": "COUNT (phone) + COUNT(*)",
    "its JSON": "JSON_ARRAYAGG(phone)",
    "an object of it": "JSON_OBJECTAGG(id, phone)",
}
# Other entries over the table.
OTHERS: dict[str, dict[str, Any]] = {
    "all columns": {"select_fields": ["*"]},
    "the column": {"select_fields": ["id", "phone"]},
    "a figure of it": {"group_by": ["id"], "aggregations": [{"function": "SUM", "field": "phone", "alias": "s"}]},
    "a key": {"group_by": ["phone"]},
    "its order": {"select_fields": ["id"], "order_by": ["phone"]},
    "its order in a sub-select": {
        "select_fields": ["id"],
        "order_by": ["(SELECT u.phone FROM users u WHERE u.id = users.id)"],
    },
    "its windows": {"select_fields": ["id"], "partition": {"column": "phone", "every": "day", "start": "2026-01-01"}},
    "rows chosen by a sub-select": {
        "select_fields": ["id"],
        "where": "id IN (SELECT id FROM users WHERE phone > 13800000000)",
    },
    "a stored function": {"select_fields": ["id", "phone_of(id)"]},
    "a stored function that chooses rows": {"select_fields": ["id"], "where": "phone_of(id) > 0"},
    "groups chosen by a sub-select": {"group_by": ["id"], "having": "COUNT(*) < (SELECT MAX(u.phone) FROM users u)"},
    "a stored function that chooses groups": {"group_by": ["id"], "having": "phone_of(MAX(id)) > 0"},
    "statistics that choose groups": {
        "group_by": ["id"],
        "having": "COUNT(*) < (SELECT MAX(max_value) FROM mysql.column_stats)",
    },
    "its order in one text": {"select_fields": ["id"], "order_by": "id, phone DESC"},
}
# Fields of an entry over another table.
SUB_SELECTS = {
    "a value": "(SELECT MAX(u.phone) FROM users u WHERE u.id = orders.user_id)",
    "a count": "(SELECT COUNT(*) FROM users)",
    "all columns": "(SELECT MAX(b) FROM (SELECT * FROM users) z(a, b, c))",
    "a table without SELECT": "(SELECT MAX(b) FROM (TABLE users) z(a, b, c))",
}
# Entries that show nothing masked, or keep it on purpose.
HARMLESS: dict[str, dict[str, Any]] = {
    "kept by name": {"table": "users", "select_fields": ["id", "phone"], "mask": {"phone": "keep"}},
    "all columns, one kept": {"table": "users", "select_fields": ["*"], "mask": {"phone": "keep"}},
    "masked otherwise": {"table": "users", "select_fields": ["*"], "mask": {"phone": "drop"}},
    "another table's column of that name": {"table": "contacts", "select_fields": ["id", "phone"]},
    "the same name in another database": {"table": "b.contacts", "select_fields": ["*"]},
    "a function that is listed": {"select_fields": ["id", "net_price(id)"], "allow": {"functions": ["net_price"]}},
    "one with its database": {
        "select_fields": ["id", "shop.net_price(id)"],
        "allow": {"functions": ["shop.net_price"]},
    },
    "a sub-select of another table": {"select_fields": ["id", "(SELECT MAX(c.phone) FROM contacts c)"]},
    "columns under other names": {"select_fields": ["id", "(SELECT MAX(a) FROM (SELECT id FROM contacts) z(a))"]},
    "the order of a kept column": {
        "table": "users",
        "select_fields": ["phone", {"expr": "LEFT(phone, 3)", "alias": "area"}],
        "order_by": ["area", "phone"],
        "mask": {"area": "keep", "phone": "keep"},
    },
    "windows by a kept column": {
        "table": "users",
        "select_fields": ["id"],
        "partition": {"column": "phone", "every": "day", "start": "2026-01-01"},
        "mask": {"phone": "keep"},
    },
    "a column called as the masked table": {"select_fields": ["id", {"expr": "users + 1", "alias": "n"}]},
    "a table called as a database of the server": {
        "table": "sys",
        "select_fields": [{"expr": "sys.id + 1", "alias": "n"}],
    },
    "a column called as a masked output beside it, which only a sub-select can name": {
        "table": "users",
        "select_fields": [{"expr": "phone", "alias": "status"}, {"expr": "LOWER(status)", "alias": "s"}],
        "mask": {"status": "hash"},
    },
    "a table of the server that is listed": {
        "table": "mysql.column_stats",
        "select_fields": ["table_name"],
        "allow": {"tables": ["mysql.column_stats"]},
    },
    "functions of every kind": {
        "select_fields": [
            "id",
            (
                "CONCAT_WS('-', LEFT(a, 2), CAST(b AS DECIMAL(10, 2)), IF(a IN (1, 2), NOW(), DATE_ADD(d, INTERVAL 1"
                " DAY)))"
            ),
            "CASE WHEN (a) AND (b) THEN (c) ELSE (d) END",
            "ST_AsText(POINT(a, b))",
            "JSON_MERGE_PATCH(a, b)",
            "ROW_NUMBER() OVER (PARTITION BY a ORDER BY b)",
            "GREATEST(AES_DECRYPT(a, b), WEIGHT_STRING(c AS CHAR(4)))",
        ]
    },
}
# Entries with two outputs of one name, or nearly.
NAMED_ALIKE: dict[str, dict[str, Any]] = {
    "a figure called as a column of all": {
        "group_by": ["status"],
        "aggregations": [{"expr": "COUNT(DISTINCT phone)", "alias": "phone"}],
        "select_fields": ["*"],
    },
    "the same by function": {
        "group_by": ["status"],
        "aggregations": [{"function": "COUNT DISTINCT", "field": "phone", "alias": "Phone"}],
        "select_fields": ["*"],
    },
    "a key called as a column of all": {
        "group_by": [{"expr": "DATE(NOW())", "alias": "PHONE"}],
        "select_fields": ["*"],
    },
    "a figure called as a field": {
        "group_by": ["status"],
        "aggregations": [{"expr": "COUNT(DISTINCT phone)", "alias": "phone"}],
        "select_fields": ["phone"],
    },
    "a key called as another field": {"group_by": ["phone"], "select_fields": [{"expr": "status", "alias": "phone"}]},
    "a field called as another key": {"group_by": [{"expr": "status", "alias": "phone"}], "select_fields": ["phone"]},
}

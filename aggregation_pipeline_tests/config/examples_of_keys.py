"""Every spelling of a value of each key, and what it means: free text and structures, which a model cannot tell."""

from typing import Any

from aggregation_pipeline.config.format_names import FORMAT_NAMES

NAMES = {"[a, b]": ("a", "b"), "\n- a\n- b": ("a", "b"), "[\"a\", 'b']": ("a", "b"), "[]": ()}
COLUMNS = {"status": ("status",), "[status]": ("status",), "\n- status": ("status",), "'status'": ("status",)}
# By the path of a key: its value in each spelling, and the loaded value.
EXAMPLES: dict[str, dict[str, Any]] = {
    "tables": {"{a: {}}": ("a",), "\na:\nb: {}": ("a", "b"), "{a: null}": ("a",), "{}": (), "": (), "null": ()},
    "compat": {"node": {"node": {}}, "{node: {csv: json2csv}}": {"node": {"csv": "json2csv"}}, "null": None},
    "compat.node": {"{}": {}, "{formats: [csv]}": {"formats": ("csv",)}, "null": None},
    "compat.node.formats": {
        "csv": ("csv",),
        "[json, excel]": ("json", "excel"),
        "all": ("json", "csv", "excel"),
        "json, csv": ("json", "csv"),
        "[json, json]": ("json",),
        "null": None,
    },
    "compat.node.keys": {'"old/{name}_{stamp}.{ext}"': "old/{name}_{stamp}.{ext}"},
    "sources": {
        "{shop: {host: db}}": {"shop": {"host": "db"}},
        "{CRM-eu: {}}": {"crm_eu": {}},
        "\nshop: {user: u}\ncrm: {user: v}": {"shop": {"user": "u"}, "crm": {"user": "v"}},
        "{}": {},
    },
    "sources.host": {"db.internal": "db.internal", "'[::1]'": "::1", "null": None},
    "sources.port": {"3307": 3307, "null": None},
    "sources.socket": {"/run/mysqld/mysqld.sock": "/run/mysqld/mysqld.sock", "null": None},
    "sources.user": {"reader": "reader", "null": None},
    "sources.database": {"shop": "shop", "订单": "订单", "null": None},
    "sources.timezone": {"Europe/Berlin": "Europe/Berlin", "null": None},
    "sources.pool_limit": {"2": 2, "null": None},
    "sources.ssl_mode": {"VERIFY_CA": "VERIFY_CA", "null": None},
    "sources.ssl_ca": {"/etc/ssl/ca.pem": "/etc/ssl/ca.pem", "null": None},
    "sources.ssl_cert": {"/etc/ssl/cert.pem": "/etc/ssl/cert.pem", "null": None},
    "sources.ssl_key": {"/etc/ssl/key.pem": "/etc/ssl/key.pem", "null": None},
    "tables.source": {"shop": "shop", "SHOP": "shop", "null": None},
    "tables.table": {"orders": "orders", "shop.orders": "shop.orders", "'`v1.orders`'": "`v1.orders`"},
    "tables.description": {
        "two words": "two words",
        "'a: b'": "a: b",
        ">\n  folded\n  text": "folded text\n",
        "null": None,
    },
    "tables.platform": {"shop": "shop"},
    "tables.group": {"sales": "sales", "shop/sales": "shop/sales", "'2026'": "2026", "null": None},
    "tables.owners": {"[team:sales, a@b.com]": ("team:sales", "a@b.com"), "\n- team:sales": ("team:sales",), "[]": ()},
    "tables.tags": {"{domain: sales}": {"domain": "sales"}, "\ndomain: sales": {"domain": "sales"}, "{}": {}},
    "tables.group_by": NAMES
    | {"['DATE(d)', {expr: a, alias: b}]": ("DATE(d)", "b"), "\n- {expr: DATE(d), alias: day}\n- a": ("day", "a")},
    "tables.group_by.expr": {"a": "a", "DATE(d)": "DATE(d)"},
    "tables.group_by.alias": {"day": "day", "日期": "日期", "null": None},
    "tables.aggregations": {
        "[{function: COUNT, alias: n}]": ("n",),
        "\n- {function: SUM, field: price, alias: s}\n- {expr: SUM(a), alias: t}": ("s", "t"),
        "\n- function: AVG\n  field: age\n  alias: avg_age": ("avg_age",),
        "[]": (),
    },
    "tables.aggregations.function": {
        **{
            text: text
            for text in ("COUNT", "COUNT DISTINCT", "SUM", "AVG", "MIN", "MAX", "STDDEV", "VARIANCE", "GROUP_CONCAT")
        },
        "sum": "SUM",
        "count_distinct": "COUNT DISTINCT",
        "'AVG'": "AVG",
    },
    "tables.aggregations.field": {"price": "price", "price * quantity": "price * quantity"},
    "tables.aggregations.expr": {
        "SUM(price * quantity)": "SUM(price * quantity)",
        '"COUNT(DISTINCT a, b)"': "COUNT(DISTINCT a, b)",
    },
    "tables.aggregations.alias": {"n": "n", "null": None},
    "tables.select_fields": NAMES | {"['*']": ("*",), "[{expr: price * 2, alias: x}, a]": ("x", "a")},
    "tables.select_fields.expr": {"a": "a", "'`odd name`'": "`odd name`"},
    "tables.select_fields.alias": {"day": "day", "null": None},
    "tables.where": {
        "id > 1": "id > 1",
        "'created_at >= DATE_SUB(NOW(), INTERVAL 7 DAY)'": "created_at >= DATE_SUB(NOW(), INTERVAL 7 DAY)",
        "|\n  a = 1\n  AND b = 2": "a = 1 AND b = 2",
        "null": None,
    },
    "tables.having": {
        "COUNT(*) > 5": "COUNT(*) > 5",
        "|\n  COUNT(*) > 5\n  OR 1 = 1": "COUNT(*) > 5 OR 1 = 1",
        "null": None,
    },
    "tables.order_by": {
        "[created_at DESC]": ("created_at DESC",),
        "\n- a\n- b desc": ("a", "b DESC"),
        "created_at desc, id": ("created_at DESC", "id"),
        "\"FIELD(status, 'a,b', ',') ASC,`a,b`\"": ("FIELD(status, 'a,b', ',') ASC", "`a,b`"),
        "null": None,
    },
    "tables.mask": {
        "{status: partial}": {"status": "partial"},
        "\nstatus: hash": {"status": "hash"},
        "{status: keep}": {"status": "keep"},
    },
    "tables.allow": {"{tables: [users]}": {"tables": ("users",)}, "{}": {}},
    "tables.allow.tables": {"[users, shop.users]": ("users", "shop.users"), "\n- users": ("users",), "[]": ()},
    "tables.allow.functions": {"[net_price, shop.net_price]": ("net_price", "shop.net_price"), "[]": ()},
    "tables.formats": {
        "[csv, excel]": ("csv", "excel"),
        "\n- json\n- parquet": ("json", "parquet"),
        "csv": ("csv",),
        "all": FORMAT_NAMES,
        "null": None,
    },
    "tables.partition": {
        "{column: d, every: day, start: 2026-01-01}": {"column": "d", "every": "day", "start": "2026-01-01T00:00"},
        "\ncolumn: d\nevery: hour\nstart: 2026-01-01T06:00": {
            "column": "d",
            "every": "hour",
            "start": "2026-01-01T06:00",
        },
        "null": None,
    },
    "tables.partition.column": {"created_at": "created_at", "'`odd name`'": "odd name"},
    "tables.partition.start": {"2026-01-01": "2026-01-01T00:00", "'2026-01-01T06:00'": "2026-01-01T06:00"},
    "tables.partition.timezone": {"Europe/Berlin": "Europe/Berlin", "null": None},
    "tables.partition.column_timezone": {"UTC": "UTC", "null": None},
    "tables.schedule": {
        "'0 0 6 * * 1'": ("0 0 6 * * 1",),
        "['0 2 * * *', '@daily']": ("0 2 * * *", "@daily"),
        "\n- '0 2 * * *'": ("0 2 * * *",),
        "none": (),
        "[]": (),
        "null": None,
        "{cron: '0 2 * * *', runs: per_table}": ("0 2 * * *",),
        "{cron: ['0 2 * * *', '@daily']}": ("0 2 * * *", "@daily"),
        "{runs: per_table}": None,
    },
    "tables.hints": {
        "'/*+ INDEX(a by_day) */'": ("/*+ INDEX(a by_day) */",),
        "FORCE INDEX (by_day)": ("FORCE INDEX (by_day)",),
        "['/*+ MRR(a) */', USE INDEX (d)]": ("/*+ MRR(a) */", "USE INDEX (d)"),
        "\n- IGNORE INDEX (d)": ("IGNORE INDEX (d)",),
        "[]": (),
    },
    "tables.queue": {"heavy": "heavy", "null": None},
    "tables.resources": {
        "{cpu: 500m, memory: 1Gi}": {"cpu": "500m", "memory": "1Gi"},
        "{cpu: 0.5, limits: {cpu: 2}}": {"cpu": "0.5", "limits": {"cpu": "2"}},
        "null": None,
    },
    "tables.resources.cpu": {"500m": "500m", "2": "2", "null": None},
    "tables.resources.memory": {"1Gi": "1Gi", "null": None},
    "tables.resources.limits": {"{cpu: 2, memory: 2Gi}": {"cpu": "2", "memory": "2Gi"}, "{}": {}},
    "tables.resources.limits.cpu": {"2": "2", "null": None},
    "tables.resources.limits.memory": {"2Gi": "2Gi", "null": None},
    "queues": {
        "[{tables: big_*, queue: heavy}]": ({"tables": ("big_*",), "queue": "heavy"},),
        "\n- {tables: [a, b], queue: heavy}": ({"tables": ("a", "b"), "queue": "heavy"},),
        "[]": (),
    },
    "queues.tables": {"a": ("a",), "[a, b_*]": ("a", "b_*")},
    "queues.queue": {"heavy": "heavy"},
    "tables.timezone": {"Asia/Shanghai": "Asia/Shanghai", "null": None},
    "tables.catch_up": {"7d": "7d", "none": "none", "2w": "2w"},
    "tables.refresh": {
        "{look_back: 14d, key: MAX(updated_at)}": {"look_back": "14d", "key": ("MAX(updated_at)",)},
        '{look_back: 2w, key: ["COUNT(*)", MAX(updated_at)], every: 30m, allow_scan: true}': {
            "look_back": "2w",
            "key": ("COUNT(*)", "MAX(updated_at)"),
            "every": "30m",
            "allow_scan": True,
        },
    },
    "tables.refresh.look_back": {"14d": "14d", "36h": "36h", "2w": "2w"},
    "tables.refresh.key": {
        "COUNT(*)": ("COUNT(*)",),
        "MAX(updated_at)": ("MAX(updated_at)",),
        '["COUNT(*)", SUM(a + b)]': ("COUNT(*)", "SUM(a + b)"),
        "\n- MAX(updated_at)\n- COUNT(DISTINCT status)": ("MAX(updated_at)", "COUNT(DISTINCT status)"),
    },
    "tables.refresh.every": {"1h": "1h", "10m": "10m"},
    "tables.backfill": {
        "{partitions_per_run: all}": {"partitions_per_run": "all"},
        "{partitions_per_run: 31}": {"partitions_per_run": 31},
    },
    "tables.backfill.partitions_per_run": {"31": 31, "all": "all"},
    "tables.checks": {
        "{min_rows: 1}": ({"min_rows": 1},),
        "[{min_rows: 1}, {unique: [status], severity: warn}]": (
            {"min_rows": 1},
            {"unique": ("status",), "severity": "warn"},
        ),
        "\n- min_rows: 1\n- not_null: status\n  blocking: true": (
            {"min_rows": 1},
            {"not_null": ("status",), "blocking": True},
        ),
        "\nmin_rows: 1\nvalues: {status: [new]}": ({"min_rows": 1, "values": {"status": ("new",)}},),
        "[]": (),
    },
    "tables.checks.not_null": COLUMNS,
    "tables.checks.unique": COLUMNS | {"['status, status']": ("status, status",)},
    "tables.checks.values": {
        "{status: [new, paid]}": {"status": ("new", "paid")},
        "\nstatus:\n  - new\n  - paid": {"status": ("new", "paid")},
        "{status: [1, null, true, 2026-01-01, 'a b']}": {"status": (1, None, True, "2026-01-01", "a b")},
    },
    "tables.checks.change_percent": {"50": 50.0, "0.5": 0.5, "null": None},
    "tables.freshness": {
        "{fail_after: 26h}": {"fail_after": "26h"},
        "{fail_after: 2d, warn_after: 25h}": {"fail_after": "2d", "warn_after": "25h"},
    },
    "tables.freshness.fail_after": {"26h": "26h", "90m": "90m"},
    "tables.freshness.warn_after": {"25h": "25h", "null": None},
    "tables.keep": {"90d": "90d", "12w": "12w", "null": None},
    "options": {"{csv: {delimiter: ';'}}": {"csv": {"delimiter": ";"}}, "{}": {}},
    "options.csv": {"{delimiter: ';'}": {"delimiter": ";"}},
    "options.csv.null": {"'NULL'": "NULL", "'\\N'": "\\N", "''": ""},
    "options.csv.delimiter": {"';'": ";", '"\\t"': "\t", ";": ";", "'|'": "|"},
    "options.file_names": {"'{table}_{date}.{dataset}'": "{table}_{date}.{dataset}"},
    "options.zero_dates": {"null": "null", "'null'": "null", "error": "error", "text": "text"},
    "options.json": {"{decimals: number}": {"decimals": "number"}},
    "options.excel": {"{about: false}": {"about": False}},
    "options.parquet": {"{compression: snappy}": {"compression": "snappy"}},
    "source_limits": {"{max_rows: 1000000, on_scan: error}": {"max_rows": 1_000_000, "on_scan": "error"}, "{}": {}},
}
for shared in [key for key in EXAMPLES if key.split(".")[0] in ("options", "source_limits")]:
    EXAMPLES[f"tables.{shared}"] = EXAMPLES[shared]
for shared in [key for key in EXAMPLES if key.split(".")[0] == "source_limits"]:
    EXAMPLES[f"sources.{shared}"] = EXAMPLES[shared]

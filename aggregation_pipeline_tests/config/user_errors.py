"""Errors that people make by habit, each kind in several forms, with words of the message that has to answer it."""


def entry(body: str) -> str:
    return f"tables:\n  t: {{{body}}}\n"


# By the text of a file: words of the only issue in it.
MESSAGES = {
    # Signs of a Chinese keyboard in YAML: in keys, between keys, around values.
    "tables：\n  t: {}": "2:4: this is not YAML: line 1: the sign ： is the full-width colon",
    "tables:\n  t：{}": "the sign ： is the full-width colon (U+FF1A), not an ASCII sign; write the ASCII sign ':'",
    "tables:\n  t:\n    where： id > 1": "tables.t: a mapping of keys to values is expected, found the text",
    "tables:\n  t:\n    limit: 5\n    where： id > 1\n    table: x": "the sign ： is the full-width colon",
    entry("limit：5"): "tables.t.'limit：5': unknown key: the sign ： is the full-width colon",
    entry("limit: 5， where: a"): (
        "the sign ， is the full-width comma (U+FF0C), not an ASCII sign; write the ASCII sign ','"
    ),
    entry("formats: [csv，excel]"): "the sign ， is the full-width comma",
    entry("formats: [csv、excel]"): (
        "the sign 、 is the ideographic comma (U+3001), not an ASCII sign; write the ASCII sign ','"
    ),
    entry("formats: “csv”"): "the sign “ is the left double quotation mark (U+201C)",
    entry("limit: ５"): "a whole number is expected",
    "tables:\n\u3000t: {limit: x}": "there is the space U+3000 (ideographic space); write a plain space",
    "tables:\n  t:\n\u00a0   limit: 5": "there is the space U+00A0 (no-break space); write a plain space",
    entry("li\u200bmit: 5"): "there is the invisible sign U+200B (zero-width space); delete it",
    # The same in SQL.
    entry("where: a in （1，2）"): "tables.t.where: the sign （ is the full-width left parenthesis",
    entry("select_fields: [a，b]"): "tables.t.select_fields[0]: the sign ， is the full-width comma",
    entry("where: a = ‘x’"): (
        'the sign ‘ is the left single quotation mark (U+2018), not an ASCII sign; write the ASCII sign "\'"'
    ),
    entry("where: a = 1；"): "the sign ； is the full-width semicolon",
    entry("where: a ≥ 1"): "(U+2265), not an ASCII sign; write the ASCII sign '>='",
    entry("group_by: [DATE（d）]"): "tables.t.group_by[0]: the sign （ is the full-width left parenthesis",
    # JavaScript.
    "tableConfigs: { users: { limit: 5 } // note\n}": "comments begin with #, not with //",
    "tableConfigs: {\n  users: {\n    limit: 5, // at most\n    where: 'a = 1',\n  },\n}": (
        "line 3: comments begin with #, not with //"
    ),
    "// note\ntables: {t: {}}": "line 1: comments begin with #, not with //",
    "/* note */\ntables: {t: {}}": "line 1: comments begin with #, not with /*",
    entry("/* x */ limit: 5"): "unknown key: comments begin with #, not with /*",
    "tables:\n  t:\n    limit: 5 // at most": 'found the text "5 // at most": comments begin with #',
    entry("where: a = 1 // note"): "// begins no comment in SQL",
    "module.exports = {\n  tableConfigs: { users: {limit: 5} }\n};": "this is JavaScript; paste the object alone",
    "const tableConfigs = { users: {limit: 5} };": "this is JavaScript; paste the object alone",
    "export default { tableConfigs: { users: {} } }": "this is JavaScript; paste the object alone",
    # A comma inside of braces and brackets.
    entry("table: f, where: d >= DATE_SUB(NOW(), INTERVAL 1 DAY)"): (
        "2:24: tables.t.where: inside { } and [ ] a comma ends the text; put the whole in quotes: 'd >="
        " DATE_SUB(NOW(), INTERVAL 1 DAY)'"
    ),
    entry("where: status IN ('a', 'b', 'c'), limit: 5"): "one pair of quotes holds the whole",
    entry("where: note = 'a, b', limit: 5"): "put the whole in quotes: \"note = 'a, b'\"",
    entry("select_fields: [IF(a, b, c), d]"): "tables.t.select_fields[0]: inside { } and [ ] a comma ends the text",
    entry("aggregations: [{expr: SUM(IF(a, 1, 0)), alias: n}]"): (
        "tables.t.aggregations[0].expr: inside { } and [ ] a comma ends"
    ),
    entry("limit: 1,000"): "tables.t.limit: inside { } a comma ends a value; write the number as 1000",
    # Values that YAML reads otherwise.
    "tables:\n  t:\n    schedule: * * * * *": (
        "3:16: this is not YAML: a cron expression needs quotes: '* * * * *' (in tables.t.schedule)"
    ),
    "tables:\n  t:\n    schedule: */5 9-17 * * 1-5  # work": "a cron expression needs quotes: '*/5 9-17 * * 1-5'",
    entry("select_fields: [*]"): "all columns are select_fields: ['*'] (in tables.t.select_fields)",
    "tables:\n  t:\n    select_fields: *": "all columns are select_fields: ['*']",
    entry("where: `a` = 1"): "2:14: this is not YAML: a value that begins with ` needs quotes",
    "tables:\n  t:\n    where: @x > 1": "a value that begins with @ needs quotes",
    "tables:\n  t:\n    where: %s > 1": "a value that begins with % needs quotes",
    entry('where: "a = 1" and b = 2'): "text follows the closing quote",
    entry("where: 'it's'"): "text follows the closing quote",
    entry("where: a: 1"): "inside { } a comma is missing before this, or a text that holds ': '",
    "tables:\n  t:\n    where: a: 1": "a value that holds ': ' or ' #' needs quotes",
    "tables:\n  t:\n   limit: 5\n    where: x": "this line is indented deeper than the one above",
    "tables: {t: {limit: 1}": "the { that opens in line 1 is never closed",
    "tables: [": "is never closed",
    "tables:\n  t: {where: 'a}": "the quote that opens in line 2 is not closed",
    "tables: {}\n---\ntables: {}": "one document is expected; take out the lines ---",
    "tables:\n  t:\n\t  limit: 5": "there is a tab where YAML takes only spaces",
    entry("options: {csv: {delimiter: \\t}}"): 'found the text "\\\\t": a tab is written "\\t", in double quotes',
    entry("options: {csv: {delimiter: TAB}}"): 'a tab is written "\\t", in double quotes',
    "tables:\n  t:\n    where: > 5": (
        "a value that begins with > or | needs quotes, or its text begins on the next line"
    ),
    "tables:\n  t:\n    where: - 5": "a value that begins with - needs quotes",
    "tables:\n  t:\n    where: 'a' = b": "one pair of quotes holds the whole value",
    # Templates and placeholders.
    entry("where: {{ x }}"): (
        "tables.t.where: this is {{ }} of a template: placeholders and templates are not filled in"
    ),
    entry("where: 'id > {{ x }}'"): (
        "placeholders and templates are not filled in; write the value itself (NOW() is the time"
    ),
    entry("where: \"d >= '{{ ds }}'\""): "'{{ ds }}' is a template: placeholders and templates are not filled in",
    entry("where: \"d >= '${DAY}'\""): "'${DAY}' is a template",
    entry("where: 'id > ${X}'"): "placeholders and templates are not filled in",
    entry("where: 'id > #{x}'"): "placeholders and templates are not filled in",
    entry("where: 'id > {% x %}'"): "placeholders and templates are not filled in",
    entry("where: id > %s"): "there is % where a value is expected: placeholders",
    entry("where: 'id > %(x)s'"): "there is % where a value is expected: placeholders",
    entry("where: 'id IN (%s)'"): "there is % where a value is expected: placeholders",
    entry("where: a = 1 AND %s = b"): "there is % where a value is expected: placeholders",
    entry("where: 'id > ?'"): "? does not belong in an expression of MySQL: placeholders",
    entry("where: 'id > :x'"): ": does not belong in an expression of MySQL: placeholders",
    entry("where: 'id > $1{'"): "does not belong",
    entry("table: '{{ table }}'"): (
        "tables.t.table: a table's name is expected, and this is a template: placeholders and templates"
    ),
    entry("partition: {column: d, every: day, start: '{{ ds }}'}"): (
        "is expected: placeholders and templates are not filled in"
    ),
    # A space too few.
    "tables:\n  t:\n    limit:5": "a key is followed by a colon and a space",
    "tables:\n  t:\n    select_fields:\n      -id\n      -name": "an item of a list begins with - and a space",
    # A sign in a text is right, wherever the issue is.
    "tables:\n  t:\n    description: 用户：新增\n    where: a: 1": "a value that holds ': ' or ' #' needs quotes",
    # Words of other clauses.
    entry("where: WHERE id > 1"): (
        "tables.t.where: it is written without the word WHERE, because the key means it already"
    ),
    entry("where: id > 1 ORDER BY id"): "ORDER BY does not belong in it: one expression is expected",
    entry("where: id > 1 LIMIT 5"): "the number of rows belongs under the key limit",
    entry("where: a = 1 GROUP BY b"): "the keys of groups belong under the key group_by",
    entry("where: a = 1 HAVING b > 1"): "conditions on groups belong under the key having",
    entry("where: SELECT id FROM t"): "SELECT begins a statement",
    entry("where: id > 1;"): "and without ; at its end",
    entry("group_by: [GROUP BY status]"): "it is written without the words GROUP BY",
    entry("order_by: [ORDER BY id DESC]"): "it is written without the words ORDER BY",
    entry("order_by: [id DESC LIMIT 5]"): "the number of rows belongs under the key limit",
    entry("select_fields: [id FROM users]"): "the table is the entry's name, or is named by the key table",
    entry("select_fields: [DISTINCT status]"): "for distinct rows use group_by without aggregations",
    entry("aggregations: [{expr: SUM(a) WHERE b}]"): "conditions belong under the key where",
    entry("where: a >"): "something is missing at its end. A reserved word used as a name needs backticks",
    entry("where: 'DATE_SUB(NOW() INTERVAL 7 DAY)'"): "it does not parse as an expression of MySQL",
    # What is no text where text belongs.
    entry("select_fields: [id, null]"): (
        "or {expr: ..., alias: ...} is expected, found nothing; take the empty item out"
    ),
    entry("select_fields: [id, 2024]"): "found the number 2024; put it in quotes",
    entry("select_fields: [id, true]"): "found the boolean true; put it in quotes",
    entry("group_by: [1.5]"): "found the number 1.5; put it in quotes",
    entry("aggregations: [SUM(price)]"): (
        "{function: SUM, field: price, alias: revenue} or {expr: ..., alias: ...} is expected"
    ),
    entry("owners: [null]"): "tables.t.owners[0]: text is expected, found nothing; take the empty item out",
    entry("mask: null"): "found nothing; leave the key out for its default",
    entry("owners: [5]"): "tables.t.owners[0]: an e-mail address or team:name is expected, found '5'",
    entry("description: 5"): "tables.t.description: text is expected, found the number 5; put it in quotes",
    entry("platform: true"): "tables.t.platform: text is expected, found the boolean true; put it in quotes",
    # Where the same in quotes would be refused too, what is right is said at once.
    entry("schedule: [5]"): "tables.t.schedule[0]: the cron expression '5' cannot be used: 5 fields",
    entry(
        "schedule: {crn: 0 2 * * *}"
    ): "tables.t.schedule.crn: unknown key. Known are cron and runs, as in {cron: 0 2",
    entry("schedule: {runs: per_tabel}"): "tables.t.schedule.runs: per_tick or per_table is expected, found the text",
    entry("runs: per_tick, schedule: {runs: per_table}"): "runs stands in the entry and in its schedule; leave one",
    entry("keep: 90"): "tables.t.keep: a number of days or weeks is expected, such as 90d or 12w (found the number 90)",
    entry("catch_up: 7"): (
        "tables.t.catch_up: a length of time such as 90m, 26h, 7d or 2w is expected (found the number 7)"
    ),
    entry("freshness: {fail_after: 26}"): "tables.t.freshness.fail_after: a length of time such as 90m, 26h",
    entry("timezone: 8"): (
        "tables.t.timezone: an IANA time zone such as Asia/Shanghai is expected, '8' is none; was Asia/Shanghai meant?"
    ),
    entry("options: {csv: {delimiter: 1}}"): "tables.t.options.csv.delimiter: delimiter must be one of",
    entry("options: {csv: {null: 0}}"): "tables.t.options.csv.null: null is written without quotes, so it cannot hold",
    # Columns of a list.
    entry("options: {excel: {totals: [null]}}"): (
        "tables.t.options.excel.totals[0]: text is expected, found nothing; take the empty item"
    ),
    entry("options: {excel: {totals: [1]}}"): (
        "tables.t.options.excel.totals[0]: text is expected, found the number 1; put it in quotes"
    ),
    entry("options: {excel: {totals: {a: 1}}}"): "totals: true or false or a list is expected, as in [a, b]",
    entry("select_fields: [id, username], options: {excel: {totals: [usrname]}}"): (
        "tables.t.options.excel.totals: 'usrname' is no column of this entry's files; there are id, username."
        " Was username meant?"
    ),
    entry("options: {excel: {totals: nope}}"): "'nope' is no column of this entry's files; there are row_count",
    entry("select_fields: [id, e], mask: {e: drop}, options: {excel: {totals: [e]}}"): "'e' is no column of this entry",
    "options: {excel: {totals: [amuont]}}\ntables: {a: {}, t: {select_fields: [amount]}}": (
        "1:19: options.excel.totals: 'amuont' is no column of any table; there are row_count, amount. Was amount meant?"
    ),
    # File names that meet, at the place of the option.
    "tables:\n  t: {}\n  u:\n    select_fields: [id]\n    group_by: [a]\n    options:\n      fileNames: '{table}'": (
        "7:7: tables.u.options.fileNames: '{table}' gives the summary and the detail rows of u the same name"
    ),
    "tables:\n  u: {select_fields: [id], group_by: [a]}\noptions:\n  file_names: '{table}'": (
        "4:3: options.file_names: '{table}' gives the summary and the detail rows of u the same name"
    ),
    # Odd names of columns.
    entry('select_fields: ["金额（元）"]'): (
        'a column that really has this name needs backticks, and quotes around them: "`金额（元）`"'
    ),
    entry('group_by: ["2024（年）"]'): (
        'a column that really has this name needs backticks, and quotes around them: "`2024（年）`"'
    ),
    # An order where none belongs, or another word for one.
    entry("order_by: [id DSC]"): ("only ASC or DESC may follow the column or expression; found DSC. Was DESC meant?"),
    entry("order_by: [id 降序]"): "found 降序. Was DESC meant?",
    entry("order_by: [id x]"): "only ASC or DESC may follow the column or expression; found x",
    entry("group_by: [status desc]"): "desc is an order, and the order of the rows belongs under the key order_by",
    entry("select_fields: [status s]"): "{expr: ..., alias: s}",
    # Other programs' words.
    entry("formats: [xlsx]"): "Was excel meant?",
    entry("formats: xls"): "Was excel meant?",
    entry("options: {csv: {encoding: gbk}}"): "Was gb18030 meant?",
    entry("options: {csv: {encoding: ANSI}}"): "Was gb18030 meant?",
    entry("options: {json: {shape: ndjson}}"): "Was lines meant?",
    entry("options: {excel: {language: 中文}}"): "Was zh meant?",
    entry("options: {excel: {language: zh_CN}}"): "Was zh meant?",
    entry("filter: a"): "unknown key. Was where meant?",
    "formats: csv\ntables: {t: {}}": "1:1: formats: the key formats belongs to an entry, under tables",
    "outputFormat: csv\ntables: {t: {}}": (
        "the key formats belongs to an entry, under tables; for all tables set the variable OUTPUT_FORMAT"
    ),
    "schedule: '@daily'\ntables: {t: {}}": "for all tables set the variable CRON_SCHEDULE, in the environment or .env",
    "timezone: UTC\ntables: {t: {}}": "for all tables set the variable TIMEZONE",
    "keep: 90d\ntables: {t: {}}": "1:1: keep: the key keep belongs to an entry, under tables",
    "name: x\ntables: {t: {}}": (
        "unknown key. Was names meant? Known are options, source_limits, names, keep_versions, runs, queues,"
    ),
    entry("fileNames: x"): (
        "tables.t.fileNames: the key fileNames belongs under options, as in options: {fileNames: ...}"
    ),
    entry("csv: {null: x}"): "the key csv belongs under options",
    entry("min_rows: 1"): "the key min_rows belongs under checks",
    entry("every: day"): "the key every belongs under partition",
    entry("timeoutSeconds: 5"): "the key timeoutSeconds belongs under source_limits",
    "zeroDates: error\ntables: {t: {}}": "1:1: zeroDates: the key zeroDates belongs under options",
    entry("options: {delimiter: ;}"): "the key delimiter belongs under csv",
    entry("alias: x"): "unknown key. Known are",
    entry("options: {fileNames: '${table}.${dataset}'}"): (
        "placeholders have no $ before them; there are {table}, {dataset},"
    ),
    entry("joins: []"): "unknown key. Known are",
    entry("enabled: false"): "unknown key. Known are",
    entry("schedule: 0 0 2 * * ？"): (
        "the sign ？ is the full-width question mark (U+FF1F), not an ASCII sign; write the ASCII sign '?'"
    ),
    entry("schedule: ０ 0 2 * * *"): "the first of 6 fields is the second, and '０' is no plain number",
    "tableConfigs: {\n  t: {\n    groupBy: [a],\n  },\n},\n": (
        "5:2: this is not YAML: a comma follows the end of a value; take it out"
    ),
    "tables:\n  t: {},\n  u: {}": "2:8: this is not YAML: a comma follows the end of a value; take it out",
    "tables:\n  t:\n    limit: 5,\n    where: a": 'found the text "5,": there is a comma at its end; take it out',
    entry("limit: undefined"): (
        'a whole number is expected, found the text "undefined"; leave the key out for its default'
    ),
    "tables:\n  /* x */ users: {}": "comments begin with #, not with /*",
    entry("mask: {emial: partial}"): "Outputs are row_count",
    entry("select_fields: [s], checks: {values: {s: [1.5]}}"): (
        "a whole number or true or false is expected, found the number 1.5; put it"
    ),
    entry("select_fields: [s], checks: {values: {s: x}}"): "tables.t.checks.values.s: a list is expected, as in [a, b]",
    entry("backfill: {partitions_per_run: 0}"): (
        "tables.t.backfill.partitions_per_run: it should be greater than or equal to 1"
    ),
    entry("backfill: {partitions_per_run: every}"): "a whole number or all is expected",
    entry("select_fields: [status], checks: {not_null: stauts}"): "there are status. Was status meant?",
}

"""The words of a comparison, in English and in Chinese."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from aggregation_pipeline.comparison.results import Reason

Language = Literal["en", "zh"]
_NONE: Final[Mapping[str, object]] = MappingProxyType({})
_NUMBERS: Final[Mapping[Language, int]] = {"en": 0, "zh": 1}

# Why something may differ.
REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "arbitrary": (
        (
            "Not compared: {columns}. The old query selected them beside GROUP BY, so MySQL took them from any row of"
            " the group: they were arbitrary. Here they are detail rows, if the entry has them."
        ),
        (
            "未比较：{columns}。旧查询在 GROUP BY 之外选了这些列，MySQL 从组内任意一行取值，所以它们本来就是任意的。"
            "在这里，如果表配置写了这些列，它们在明细里。"
        ),
    ),
    "only_old": (
        (
            "{columns}: only the old file has this. Add it to the entry under the old name, with alias, or leave it out"
            " with --ignore."
        ),
        "{columns}：只有旧文件里有。请在表配置里按旧名字加上（用 alias），或者用 --ignore 忽略。",
    ),
    "only_ours": (
        "Not compared: {columns}, which only ours has.",
        "未比较：{columns}，只有新文件里有。",
    ),
    "silent_limit": (
        (
            "The old file stops at {limit} rows, the LIMIT that the Node service sets without a word. {rows} rows are"
            " only in ours. To cut here too, write `limit: {limit}`."
        ),
        (
            "旧文件正好停在 {limit} 行：Node 服务会默默加上 LIMIT {limit}。有 {rows} 行只在新文件里。如果这里也要截断，"
            "请写 `limit: {limit}`。"
        ),
    ),
    "both_cut": (
        (
            "Both sides stop at {limit} rows. Without the same order these are different rows: write order_by, or"
            " compare without a limit."
        ),
        "两边都截断在 {limit} 行。如果排序不同，截到的就是不同的行：请写 order_by，或者去掉 limit 再比较。",
    ),
    "time_zone_later": (
        (
            "{column}: {count} values are {hours} h later in the old file. A time zone is meant otherwise: try"
            " --node-timezone, and look at the zone of the MySQL session."
        ),
        (
            "{column}：旧文件里有 {count} 个值晚 {hours} 小时，时区的理解不同。"
            "请试试 --node-timezone，并检查 MySQL 会话的时区。"
        ),
    ),
    "time_zone_earlier": (
        (
            "{column}: {count} values are {hours} h earlier in the old file. A time zone is meant otherwise: try"
            " --node-timezone, and look at the zone of the MySQL session."
        ),
        (
            "{column}：旧文件里有 {count} 个值早 {hours} 小时，时区的理解不同。"
            "请试试 --node-timezone，并检查 MySQL 会话的时区。"
        ),
    ),
    "rounding": (
        (
            "{column}: numbers differ by at most {relative} of their size, which looks like rounding. --tolerance lets"
            " DOUBLE and FLOAT differ."
        ),
        "{column}：数值最多相差其大小的 {relative}，看起来是舍入。DOUBLE 和 FLOAT 允许的误差由 --tolerance 设置。",
    ),
    "grown": (
        "{column}: ours is larger in all {count} differences. Rows were probably added between the two moments.",
        "{column}：{count} 处差异中新文件的值都更大，可能是两次读取之间新增了行。",
    ),
    "now": (
        "The entry depends on NOW(), and the two sides ran at different moments. Here NOW() is the tick.",
        "表配置依赖 NOW()，而两边运行的时刻不同。在这里，NOW() 是触发的时刻。",
    ),
    "only_in_ours": (
        "{rows} rows are only in ours: added between the two moments, or cut off there by a limit.",
        "{rows} 行只在新文件里：两次读取之间新增的，或者被那边的 limit 截掉了。",
    ),
    "only_in_old": (
        "{rows} rows are only in the old file: deleted or changed between the two moments, or a condition differs.",
        "{rows} 行只在旧文件里：两次读取之间被删除或修改，或者两边的条件不同。",
    ),
}
# What the old file could not hold of values that count as equal.
NOTES: Final[Mapping[str, tuple[str, str]]] = {
    "lost_digits": (
        "the old file lost digits, because JavaScript's numbers have 53 bits; ours are exact",
        "旧文件丢失了位数，因为 JavaScript 的数字只有 53 位；新文件是精确的",
    ),
    "six_digits": (
        "the old file has six digits of a FLOAT; ours has all of them",
        "旧文件只有 FLOAT 的六位有效数字；新文件是完整的",
    ),
    "cut_fraction": (
        "the old file cut fractions of a second",
        "旧文件截掉了秒的小数",
    ),
    "sheet_clock": (
        "SheetJS wrote the moment seconds or an hour away, as it does in this time zone",
        "SheetJS 写出的时刻差了几十秒或一小时，它在这个时区就是这样",
    ),
    "invalid_date": (
        "a date that no calendar has",
        "日历上没有的日期",
    ),
    "bytes_as_text": (
        "the old file has bytes as text, which loses those that are none",
        "旧文件把二进制写成了文本，不是文本的字节已经丢失",
    ),
    "object_object": (
        "the old file has [object Object] in place of the value",
        "旧文件里只有 [object Object]，没有值",
    ),
    "json_value": (
        "the old file has a JSON value where ours has its text, as mysql2 reads MariaDB's JSON columns",
        "旧文件里是 JSON 的值，新文件里是它的文本：mysql2 会解析 MariaDB 的 JSON 列",
    ),
    "not_in_sheet": (
        "SheetJS leaves JSON and bytes out, so they were not compared",
        "SheetJS 不写 JSON 和二进制，所以没有比较",
    ),
    "not_compared": (
        "not compared: the old form of the value says too little, or MASK_SALT is not set",
        "未比较：旧的写法信息不足，或者没有设置 MASK_SALT",
    ),
}
DATABASE: Final[Mapping[str, tuple[str, str]]] = {
    "ours": ("the database agrees with ours", "数据库与新文件一致"),
    "old": ("the database agrees with the old file", "数据库与旧文件一致"),
    "both": ("the database agrees with both", "数据库与两边都一致"),
    "neither": ("the database agrees with neither: it has changed since", "数据库与两边都不一致：之后又变了"),
}
PAGE: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("Shadow run compared", "影子运行比对"),
    "equal": ("equal", "一致"),
    "differs": ("differs", "有差异"),
    "not_compared": ("not compared", "无法比较"),
    "table": ("Table", "表"),
    "window": ("Window", "窗口"),
    "result": ("Result", "结果"),
    "our_rows": ("Rows of ours", "新文件行数"),
    "old_rows": ("Rows of the old file", "旧文件行数"),
    "equal_rows": ("Equal", "一致的行"),
    "differing_rows": ("Different", "有差异的行"),
    "only_ours": ("Only ours", "只在新文件"),
    "only_old": ("Only old", "只在旧文件"),
    "old_file": ("Old file", "旧文件"),
    "old_moment": ("written at", "写入时刻"),
    "dataset": ("Dataset", "数据集"),
    "by_key": ("Brought together by", "对应方式"),
    "all_columns": ("all columns", "所有列"),
    "only_row": ("the only row", "唯一的一行"),
    "duplicates": ("Rows with a key that was there before", "键重复的行"),
    "why": ("Why it may differ", "可能的原因"),
    "notes": ("Equal, but not kept as it is", "一致，但旧文件未能原样保存"),
    "examples": ("Differences", "差异"),
    "column": ("Column", "列"),
    "count": ("Values", "个数"),
    "key": ("Key", "键"),
    "ours": ("Ours", "新文件"),
    "old": ("Old file", "旧文件"),
    "database": ("Database", "数据库"),
    "row": ("the whole row", "整行"),
    "missing": ("not there", "没有"),
    "shown": ("The first {shown} differences of {all}.", "共 {all} 处差异，这里是前 {shown} 处。"),
    "unasked": ("The database was not asked", "没有询问数据库"),
}


def words(
    texts: Mapping[str, tuple[str, str]], key: str, language: Language = "en", values: Mapping[str, object] = _NONE
) -> str:
    """Return a text in a language, with its values."""
    return texts[key][_NUMBERS[language]].format(**values)


def reason_words(reason: Reason, language: Language = "en") -> str:
    """Return why something may differ, in words."""
    return words(REASONS, reason.code, language, {"column": reason.column, **reason.values})

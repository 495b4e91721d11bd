"""The column of time by which a table is cut into windows, and where the first one begins."""

import re
from datetime import date, timedelta
from typing import Final

from aggregation_pipeline.drafting.personal_names import joined_words
from aggregation_pipeline.drafting.sampling import Sample
from aggregation_pipeline.source.catalogue import TIMES, Structure

# A row keeps these for good, so it stays in its window.
_MADE: Final = re.compile(
    r"_(created?|creation|create(d)?_?(at|on|time|date)|gmt_create|ctime|crt_time|insert(ed)?|add(ed)?|addtime|order(ed)?|"
    r"place(d)?|occurr?(ed)?|happened|event|log(ged)?|post(ed)?|register(ed)?|registration|reg|submit(ted)?|received|"
    r"recorded|visit(ed)?|trade|chuangjian|cjsj)_|创建|下单|注册|发生|提交|录入|登记|入库|新增|交易"
)
_DAY: Final = re.compile(r"_(day|date|dt|ds|stat_date|biz_date|data_date|time|ts|timestamp|rq|riqi)_$|日期_$|时间_$")
# What changes later would move a row into another window.
_CHANGES: Final = re.compile(
    r"_(updated?|modif(y|ied|ication)|gmt_modified|mtime|edit(ed)?|last|latest|expires?|expired|expiry|expiration|end|"
    r"due|deleted?|removed|finish(ed)?|complete(d)?|cancel(l?ed)?|closed?|sync|next|birth|birthday|gxsj)_|"
    r"更新|修改|删除|过期|到期|结束|最后|完成|取消|失效|生日|出生"
)
_MOST_DAYS: Final = 2 * 366


def time_columns(structure: Structure, sample: Sample, hidden: frozenset[str]) -> list[str]:
    """Columns that say when a row came to be, the best first. Rows without a value would be in no window."""
    ranked = [
        (_rank(name), not column.nullable, name)
        for name, column in structure.columns.items()
        if column.kind in TIMES and name not in hidden and not _CHANGES.search(joined_words(name))
        if not sample.of(name).nulls
    ]
    # Of a table without the usual words, a column that may be NULL is not for all rows.
    usable = [(rank, name) for rank, required, name in ranked if required or rank < 2]
    return [name for _, name in sorted(usable, key=lambda pair: pair[0])]


def first_day(oldest: str, today: date) -> date:
    """Where the first window begins: the month of the oldest row, but no more than two years back."""
    try:
        found = date.fromisoformat(oldest[:10])
    except ValueError:
        found = today
    return max(min(found, today), today - timedelta(days=_MOST_DAYS)).replace(day=1)


def _rank(column: str) -> int:
    words = joined_words(column)
    return 0 if _MADE.search(words) else 1 if _DAY.search(words) else 2

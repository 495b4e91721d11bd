"""What each column of a table is for: hidden, a key to group by, a figure to sum or to average, people to count."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aggregation_pipeline.drafting.personal_kinds import Kind, Personal
from aggregation_pipeline.drafting.personal_names import joined_words, kind_of_column
from aggregation_pipeline.drafting.sampling import Sample
from aggregation_pipeline.source.catalogue import CatalogueColumn, ColumnKind, Structure

_TEXTS: Final = frozenset((ColumnKind.SHORT_TEXT, ColumnKind.LONG_TEXT, ColumnKind.ADDRESS))
_INTEGERS: Final = frozenset((ColumnKind.SMALL_INTEGER, ColumnKind.INTEGER, ColumnKind.BIG_INTEGER))
_FRACTIONS: Final = frozenset((ColumnKind.DECIMAL, ColumnKind.FLOAT, ColumnKind.DOUBLE))
# Numbers that can hold a phone number, and the address of a machine.
_WIDE: Final = frozenset((ColumnKind.BIG_INTEGER, ColumnKind.DECIMAL, ColumnKind.DOUBLE))
_ADDRESSES: Final = frozenset((ColumnKind.INTEGER, ColumnKind.BIG_INTEGER))
_SHORT: Final = _INTEGERS | {ColumnKind.ENUM, ColumnKind.YEAR, ColumnKind.BOOLEAN}
_KINDS_OF_NUMBERS: Final = frozenset(("phone", "id_card", "bank_card"))
# What names say of these is less than what values do.
_VAGUE: Final[frozenset[Kind]] = frozenset(("contact", "name", "address", "free_text"))
_DAYS: Final = frozenset((ColumnKind.DATE, ColumnKind.DATETIME, ColumnKind.YEAR))

_IDENTIFIER: Final = re.compile(
    r"_(id|ids|uid|pid|uuid|guid|no|number|code|key|sn|serial|hash|bianhao|bh|zip|zipcode|postcode|postal_?code|"
    r"lat|lng|lon|latitude|longitude)_$|[a-z]id_$|(编号|号码|代码|编码|序号|邮编|ID|经度|纬度)_$"
)
# Said of a row, and neither summed nor averaged.
_SAID: Final = re.compile(
    r"^_(is|has|can|allow|enable|need|no)_.|_(flag|enabled|disabled|deleted|visible|locked|active|del|status|state|"
    r"types?|kind|level|grade|rank|sort|sort_order|order|ordering|seq|sequence|position|priority|version|year|month|"
    r"day|week|hour|quarter|gender|sex|mode|stage|step|category|class|channel|source|platform)_$|"
    r"(状态|类型|标志|标识|排序|级别|等级|版本|年份|月份|性别)_$|^_是否"
)
_AVERAGED: Final = re.compile(
    r"_(price|rate|ratio|percent|percentage|pct|age|score|rating|discount|avg|average|temperature|speed|interest|weight|"
    r"weight_kg|height|width|length|danjia|jiage|nianling)_$|_(unit|avg|average)_|(单价|价格|标价|比例|折扣|年龄|评分|费率|利率|重量)_$"
)
_MEASURE: Final = re.compile(
    r"_(amount|amt|total|sum|money|fees?|costs?|balance|qty|quantity|counts?|cnt|num|stock|inventory|sales|revenue|"
    r"income|profit|tax|points?|credits?|payment|paid|refund|times|views?|clicks?|likes?|bytes|size|duration|seconds|"
    r"minutes|hours|distance|pieces|jine|shuliang|yue)_|(金额|数量|总额|总价|余额|库存|件数|销量|费用|积分|次数|时长|流量|总数)_$"
)
_FIRST_KEYS: Final = re.compile(r"_(status|state|order_status|pay_status|zhuangtai)_$|状态_$")
_USUAL_KEYS: Final = re.compile(
    r"_(types?|category|kind|class|channel|source|platform|level|grade|region|area|province|city|country|gender|sex|"
    r"currency|mode|stage|department|dept|brand|payment_method|pay_type|leixing|qudao)_$|"
    r"(类型|类别|分类|类目|渠道|来源|平台|地区|省份|城市|性别|等级|级别|部门|品牌|币种)_$"
)
_FLAG: Final = re.compile(r"^_(is|has|can|allow|enable|need)_.|_(flag|deleted|del|enabled|disabled)_$|^_是否")
_PEOPLE: Final = re.compile(
    r"_(user|member|customer|buyer|client|visitor|student|patient|driver)_?id_$|_uid_$|_(open|union)_?id_$|"
    r"(用户|会员|客户|买家)(id|编号)_$"
)
_MOST: Final[Mapping[str, int]] = {"keys": 3, "sums": 8, "averages": 4, "people": 2}
_MOST_VALUES: Final = 20
_MOST_VALUES_OF_USUAL_KEYS: Final = 50
_FEWEST_ROWS: Final = 20
# Letters of a column whose name does not say that it is a key.
_LONGEST_KEY: Final = 40
_LONGEST_USUAL_KEY: Final = 255


@dataclass(frozen=True)
class Roles:
    """Names of columns, in the order of their use.

    Attributes:
        personal: by column, what personal data it holds.
        bytes: columns that hold no text that a file could show.
    """

    personal: Mapping[str, Personal] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    averages: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    bytes: tuple[str, ...] = ()


def find_roles(table: str, structure: Structure, sample: Sample) -> Roles:
    """Give the columns of a table their roles; a column that is hidden has no other, except that people are counted."""
    columns = structure.columns.values()
    personal = {column.name: found for column in columns if (found := _personal(table, column, sample)) is not None}
    alone = {*structure.unique, *(structure.primary_key if len(structure.primary_key) == 1 else ())}
    people = [c.name for c in columns if _PEOPLE.search(joined_words(c.name)) and c.name not in alone]
    tied = {*structure.unique, *structure.primary_key, *structure.foreign_keys, *personal}
    free = [column for column in columns if column.name not in tied and column.kind is not ColumnKind.BYTES]
    figures = {column.name: figure for column in free if (figure := _figure(column, sample))}
    ranks = {column.name: _key_rank(column, sample) for column in free if column.name not in figures}
    # Sorted by rank alone: equal ones keep their order in the table.
    keys = sorted(((rank, name) for name, rank in ranks.items() if rank is not None), key=lambda pair: pair[0])
    return Roles(
        personal,
        keys=_first([name for _, name in keys], "keys"),
        sums=_first([name for name, figure in figures.items() if figure == "sum"], "sums"),
        averages=_first([name for name, figure in figures.items() if figure == "average"], "averages"),
        people=_first(people, "people"),
        bytes=tuple(column.name for column in columns if column.kind is ColumnKind.BYTES),
    )


def _personal(table: str, column: CatalogueColumn, sample: Sample) -> Personal | None:
    if column.kind is ColumnKind.BYTES:
        return None
    facts = sample.of(column.name)
    named = kind_of_column(table, column.name, column.comment)
    if named is not None and not _can_hold(column, named):
        named = None
    # Words that look like names are chance in what is no free text: an ENUM, say.
    told = None if facts.kind == "name" and column.kind not in _TEXTS else facts.kind
    if told is not None and (named in {None, told} or named in _VAGUE):
        return Personal(told, "by values")
    if named is not None:
        return Personal(named)
    return Personal("free_text", "by some values") if facts.holds_personal and column.kind in _TEXTS else None


def _can_hold(column: CatalogueColumn, kind: Kind) -> bool:
    if column.kind in _TEXTS:
        return True
    if kind == "birthday":
        return column.kind in _DAYS
    if kind == "ip":
        return column.kind in _ADDRESSES
    return column.kind in _WIDE and kind in _KINDS_OF_NUMBERS and not column.has_fraction


def _figure(column: CatalogueColumn, sample: Sample) -> str:
    """`sum`, `average`, or nothing."""
    words, facts = joined_words(column.name), sample.of(column.name)
    if column.kind not in _INTEGERS | _FRACTIONS:
        return ""
    if (
        _IDENTIFIER.search(words)
        or _SAID.search(words)
        or facts.years
        or (facts.epoch and column.kind is ColumnKind.BIG_INTEGER)
    ):
        return ""
    if _AVERAGED.search(words):
        return "average"
    if _MEASURE.search(words) or column.has_fraction:
        return "" if facts.epoch else "sum"
    few = facts.filled >= _FEWEST_ROWS and facts.distinct <= _MOST_VALUES
    # Numbers of which none is there twice number something.
    numbers = facts.filled >= _FEWEST_ROWS and facts.distinct == facts.filled
    return "" if few or numbers or facts.epoch or not facts.filled else "sum"


def _key_rank(column: CatalogueColumn, sample: Sample) -> int | None:
    """How well a column serves as a key, 0 best; None for one that does not."""
    words, facts = joined_words(column.name), sample.of(column.name)
    is_flag = column.kind is ColumnKind.BOOLEAN or _FLAG.search(words) is not None
    is_short_text = column.kind is ColumnKind.SHORT_TEXT and column.max_length <= _LONGEST_USUAL_KEY
    if not (column.kind in _SHORT or is_short_text):
        return None
    if _IDENTIFIER.search(words) and not _USUAL_KEYS.search(words):
        return None
    for rank, pattern in enumerate((_FIRST_KEYS, _USUAL_KEYS)):
        if pattern.search(words) and (not sample.rows or 0 < facts.distinct <= _MOST_VALUES_OF_USUAL_KEYS):
            return rank
    if column.kind is ColumnKind.ENUM:
        return 2
    few = sample.rows >= _FEWEST_ROWS and 1 < facts.distinct <= min(_MOST_VALUES, sample.rows // 4)
    return (4 if is_flag else 3) if few and column.max_length <= _LONGEST_KEY else None


def _first(names: list[str], what: str) -> tuple[str, ...]:
    return tuple(names[: _MOST[what]])

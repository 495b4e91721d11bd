"""The words of a workbook itself, in English and Chinese. Names, SQL and values stay as they are."""

from dataclasses import dataclass
from typing import Literal

from aggregation_pipeline.extract import TIES

Language = Literal["en", "zh"]


@dataclass(frozen=True)
class Words:
    """Names of sheets by dataset, the word beside totals, and the lines of the about sheet; `{}` is a dataset."""

    sheets: dict[str, str]
    about: str
    total: str
    table: str
    window: str
    consistency: str
    rows: str
    order: str
    truncated: str
    columns: str
    masks: str
    sql: str
    cut: str
    whole: str
    # The pipeline's English words for consistency, masks and order, which may have the user's names in them.
    phrases: dict[str, str]

    def phrase(self, text: str) -> str:
        """Translate one of the pipeline's English phrases."""
        if text in self.phrases:
            return self.phrases[text]
        for part in _PARTS_OF_ORDERS:
            text = text.replace(part, self.phrases.get(part, part))
        return text


# Phrases that stand inside the description of an order.
_PARTS_OF_ORDERS = ("primary key (", TIES)

_EN = Words(
    sheets={"summary": "summary", "detail": "detail"},
    about="about",
    total="Total",
    table="table",
    window="window",
    consistency="consistency",
    rows="{} rows",
    order="{} order",
    truncated="{} truncated",
    columns="{} columns",
    masks="{} masks",
    sql="{} SQL",
    cut="yes: the configured limit cut it",
    whole="no",
    phrases={},
)
_ZH = Words(
    sheets={"summary": "汇总", "detail": "明细"},
    about="说明",
    total="合计",
    table="数据表",
    window="数据窗口",
    consistency="一致性",
    rows="{}行数",
    order="{}排序",
    truncated="{}是否截断",
    columns="{}字段",
    masks="{}脱敏",
    sql="{} SQL",
    cut="是，已按配置的 limit 截断",
    whole="否",
    phrases={
        "snapshot": "同一快照",
        "none": "无",
        "one row": "仅一行",
        "group keys": "分组字段",
        "group keys, masked ones by a keyed hash": "分组字段，脱敏字段按密钥哈希",
        "primary key (": "主键 (",
        TIES: "，相同的行以服务器返回的先后为准",
        "partial": "部分隐藏",
        "hash": "密钥哈希",
        "drop": "不导出",
    },
)
WORDS: dict[Language, Words] = {"en": _EN, "zh": _ZH}

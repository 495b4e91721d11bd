"""The texts of messages, in English and Chinese."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

from aggregation_pipeline.alerts.chat_text import display_name
from aggregation_pipeline.alerts.incidents import Incident, Kind
from aggregation_pipeline.settings.alerts import AlertLanguage

# A phone's screen shows about this many. The rest is counted; Dagster's UI and the outbox list all of them.
_LISTED: Final = 20
_BLANK_LINE: Final = "\n\n"
T = TypeVar("T")

_TITLES: Final[dict[AlertLanguage, dict[Kind, str]]] = {
    "en": {
        "run_failed": "{n} failed: {names}",
        "check_failed": "{n} data checks failed: {names}",
        "table_late": "{n} late: {names}",
        "entry_broken": "{n} cannot be used as configured: {names}",
        "sensor_failing": "{n} sensors or schedules keep failing: {names}",
        "recovered": "{n} recovered: {names}",
    },
    "zh": {
        "run_failed": "{n} 张表运行失败：{names}",
        "check_failed": "{n} 项数据检查未通过：{names}",
        "table_late": "{n} 张表未按时更新：{names}",
        "entry_broken": "{n} 张表的配置有误，暂不运行：{names}",
        "sensor_failing": "{n} 个传感器或定时任务持续失败：{names}",
        "recovered": "{n} 项已恢复：{names}",
    },
}
_TEXTS: Final[dict[AlertLanguage, dict[str, str]]] = {
    "en": {
        "head": "■ {} ({})",
        "comma": ", ",
        "owner": "owner: {}",
        "no owner": "no owner",
        "check": "check: {}",
        "partition": "partition: {}",
        "deadline": "due by: {}",
        "at": "at: {}",
        "run": "run: {}",
        "asset": "asset: {}",
        "files": "last good files: {}",
        "more": "… and {} more",
        "among": ", …",
        "was run_failed": "runs again (had failed)",
        "was check_failed": "passes its check again",
        "was table_late": "is up to date again (was late)",
        "was entry_broken": "can be used again (its entry was corrected or removed)",
        "was sensor_failing": "works again (kept failing)",
        "number": "message {}; a second message with this number is the same one",
        "test": "Test of alerts",
        "test body": "This channel works. Alerts of the deployment {} are sent here.",
    },
    "zh": {
        "head": "■ {}（{}）",
        "comma": "、",
        "owner": "负责人：{}",
        "no owner": "无负责人",
        "check": "检查：{}",
        "partition": "分区：{}",
        "deadline": "截止时间：{}",
        "at": "时间：{}",
        "run": "运行：{}",
        "asset": "资产：{}",
        "files": "最近一次成功的文件：{}",
        "more": "…… 另有 {} 项",
        "among": " 等",
        "was run_failed": "已恢复运行（此前失败）",
        "was check_failed": "检查已重新通过",
        "was table_late": "已更新（此前逾期）",
        "was entry_broken": "配置已修正（或已删除）",
        "was sensor_failing": "已恢复正常（此前持续失败）",
        "number": "消息编号 {}；编号相同即为同一条消息",
        "test": "告警测试",
        "test body": "此通道可用。部署 {} 的告警将发送到这里。",
    },
}


@dataclass(frozen=True)
class Message:
    """A title of one line, and a body whose blocks have a blank line between them."""

    title: str
    body: str


@dataclass(frozen=True)
class MessageRenderer:
    """Renders the messages of a deployment. `ui` is the address of Dagster's UI without a slash at its end."""

    deployment: str
    language: AlertLanguage
    zone: ZoneInfo
    ui: str | None = None

    def message(self, kind: Kind, incidents: Sequence[Incident], number: str) -> Message:
        """Return one message about all incidents of a kind, in the order in which they happened.

        `number` identifies the message: it may arrive twice.
        """
        ordered = sorted(incidents, key=lambda incident: (incident.at, incident.key))
        names = list(dict.fromkeys(display_name(incident.details.name) for incident in ordered))
        shown = self._texts["comma"].join(names[:3]) + (self._texts["among"] if len(names) > 3 else "")
        count = len(names) if kind in {"run_failed", "table_late", "entry_broken"} else len(ordered)
        blocks = [self._block(incident) for incident in ordered[:_LISTED]]
        if len(ordered) > _LISTED:
            blocks.append(self._texts["more"].format(len(ordered) - _LISTED))
        blocks.append(self._texts["number"].format(number))
        title = _TITLES[self.language][kind].format(n=count, names=shown)
        return Message(f"[{display_name(self.deployment)}] {title}", _BLANK_LINE.join(blocks))

    def test(self) -> Message:
        """Return the message that `alerts test` sends."""
        return Message(
            f"[{display_name(self.deployment)}] {self._texts['test']}",
            self._texts["test body"].format(display_name(self.deployment)),
        )

    def _block(self, incident: Incident) -> str:
        details, texts = incident.details, self._texts
        owners = (
            texts["owner"].format(texts["comma"].join(map(display_name, details.owners)))
            if details.owners
            else texts["no owner"]
        )
        head = texts["head"].format(display_name(details.name), owners)
        lines = [
            texts.get(f"was {details.was}"),
            details.error,
            _fill(texts["check"], details.check and display_name(details.check)),
            _fill(texts["partition"], details.partition and display_name(details.partition)),
            _fill(texts["deadline"], details.deadline and self._moment(datetime.fromisoformat(details.deadline))),
            texts["at"].format(self._moment(incident.at)),
            _fill(texts["run"], details.run_id and self._link("runs", details.run_id)),
            _fill(texts["asset"], details.asset and self.ui and self._link("assets", details.asset)),
            _fill(texts["files"], details.files),
        ]
        return "\n".join([head, *(f"  {line}" for line in lines if line)])

    def _link(self, where: str, what: str) -> str:
        return f"{self.ui}/{where}/{quote(what, safe='/')}" if self.ui else what

    def _moment(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M %Z")

    @property
    def _texts(self) -> dict[str, str]:
        return _TEXTS[self.language]


def fit(message: Message, longest: int) -> str:
    """Return title and body as one text of at most `longest` bytes of UTF-8.

    It leaves out the last blocks, but keeps the number of the message. A text that is still too long is cut.
    """
    blocks = message.body.split(_BLANK_LINE)
    left_out = 0
    while len((text := _joined(message.title, blocks, left_out)).encode()) > longest and len(blocks) > 2:
        del blocks[-2]
        left_out += 1
    encoded = text.encode()
    return text if len(encoded) <= longest else f"{encoded[: longest - 3].decode(errors='ignore')}…"


def _joined(title: str, blocks: Sequence[str], left_out: int) -> str:
    body = [*blocks[:-1], f"… (+{left_out})", blocks[-1]] if left_out else blocks
    return _BLANK_LINE.join([title, *body])


def _fill(text: str, value: str | None) -> str | None:
    return text.format(value) if value else None

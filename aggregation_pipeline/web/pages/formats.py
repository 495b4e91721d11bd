"""Numbers, times and lengths of time as people read them, in the reader's language and the project's time zone."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.web.common.language import Language

_UNKNOWN: Final = "–"
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_KIB: Final = 1024
_SIZES: Final = ("KiB", "MiB", "GiB", "TiB")
_WEEKDAYS: Final = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
}


def _brief(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class Formats:
    """How values are written. What is unknown (None) is a dash."""

    language: Language
    zone: ZoneInfo
    now: datetime

    def number(self, value: float | None) -> str:
        """A whole number, in groups of three digits."""
        return _UNKNOWN if value is None else f"{value:,.0f}"

    def short(self, value: float) -> str:
        """A number for the edge of a picture: 1.2 M, or 120 万."""
        steps = ((1e8, "亿"), (1e4, "万")) if self.language == "zh" else ((1e9, " G"), (1e6, " M"), (1e3, " k"))
        for step, word in steps:
            if value >= step:
                return f"{_brief(value / step)}{word}"
        return _brief(value)

    def bytes(self, value: float | None) -> str:
        """A size."""
        if value is None or value < _KIB:
            return _UNKNOWN if value is None else f"{value:,.0f} B"
        step = min(len(_SIZES), int(math.log(value, _KIB)))
        return f"{value / _KIB**step:,.1f} {_SIZES[step - 1]}"

    def seconds(self, value: float | None) -> str:
        """A length of time, in its two largest units."""
        if value is None:
            return _UNKNOWN
        day, hour, minute, second = ("天", "小时", "分", "秒") if self.language == "zh" else ("d", "h", "min", "s")
        if value < _MINUTE:
            return f"{round(value, 2):.2g} {second}" if value < 10 else f"{value:.0f} {second}"
        whole = round(value)
        for large, small, above, below in ((_DAY, _HOUR, day, hour), (_HOUR, _MINUTE, hour, minute)):
            if whole >= large:
                rest = whole % large // small
                return f"{whole // large:,} {above}" + (f" {rest} {below}" if rest else "")
        rest = whole % _MINUTE
        return f"{whole // _MINUTE} {minute}" + (f" {rest} {second}" if rest else "")

    def ago(self, value: float | None) -> str:
        """How long something is past."""
        if value is None:
            return _UNKNOWN
        if value < 1:
            return "刚刚" if self.language == "zh" else "just now"
        return f"{self.seconds(value)}前" if self.language == "zh" else f"{self.seconds(value)} ago"

    def since(self, moment: datetime | None) -> float | None:
        """Seconds from a moment until now, at least 0."""
        return None if moment is None else max(0.0, (self.now - moment).total_seconds())

    def time(self, moment: datetime | None) -> str:
        """A moment: of today only its clock, else with its date."""
        if moment is None:
            return _UNKNOWN
        local = moment.astimezone(self.zone)
        is_today = local.date() == self.now.astimezone(self.zone).date()
        return local.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M")

    def exact(self, moment: datetime | None) -> str:
        """A moment, to the second."""
        return _UNKNOWN if moment is None else moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")

    @property
    def today(self) -> str:
        """The day, with its name."""
        local = self.now.astimezone(self.zone)
        return f"{local:%Y-%m-%d} {_WEEKDAYS[self.language][local.weekday()]}"

    @property
    def clock(self) -> str:
        """Which clock all times are of."""
        offset = self.now.astimezone(self.zone).strftime("%z")
        return f"{self.zone.key} (UTC{offset[:3]}:{offset[3:]})"

    def change(self, ratio: float | None) -> str:
        """How much more or less than before: +12.5 %."""
        if ratio is None:
            return _UNKNOWN
        percent = (ratio - 1) * 100
        if abs(percent) < 0.05:
            return "0 %"
        return f"{percent:+,.0f} %" if abs(percent) >= 100 else f"{percent:+.1f} %"

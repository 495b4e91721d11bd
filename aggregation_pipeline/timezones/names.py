"""Time zones by their IANA names, and the right name for what people write instead."""

import functools
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator
from rapidfuzz import process
from rapidfuzz.distance import OSA

from aggregation_pipeline.timezones.aliases import ALIASES, WELL_KNOWN, WINDOWS_NAMES

_AREAS: Final = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
# What stands for the zone of whatever machine this runs on, or for none at all, though tzdata has some of it.
_OF_THE_MACHINE: Final = frozenset(("localtime", "local", "system", "factory", "default", "本地", "系统", "Factory"))
# As many names as people read.
_SHOWN: Final = 3
# +08:00, 8, UTC+8, UTC +08:00:00, what JavaScript prints, GMT+0800 (China Standard Time), and Windows, (UTC+08:00)
# Beijing, ... Etc/GMT+8 is no such offset: its sign is the other way round.
_OFFSET: Final = re.compile(
    r"\(?(?:(?:etc/)?utc?|gmt|z)?\s*(?P<sign>[+-]?)\s*(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2})(?::?00)?)?"
    r"(?:\).*|\s*\(.*\))?",
    re.IGNORECASE,
)
# 东八区 is UTC+8.
_CHINESE_OFFSET: Final = re.compile(r"(?P<side>[东西])(?P<hours>[一二三四五六七八九十]{1,2}|\d{1,2})时?区?")
_DIGITS: Final = {digit: number for number, digit in enumerate("一二三四五六七八九十", 1)}
_ORDINARY: Final = str.maketrans("＋－−–：／（）", "+---:/()")
_NO_LETTERS: Final = re.compile(r"[\W_]+")
_ZONE_WORDS: Final = re.compile(r"(?:标准)?时[间区]$|(?:(?:standard|daylight|summer)?time)$")


def checked_zone(name: str) -> str:
    """An IANA time zone's name, proved to be one.

    Raises:
        ValueError: it is none; the right name stands in the message where one is near, the same each time.
    """
    if name in _OF_THE_MACHINE or name not in available_timezones():
        raise ValueError(
            f"an IANA time zone such as Asia/Shanghai is expected, {name!r} is"
            f" none{_hint(name.strip().translate(_ORDINARY))}"
        )
    return name


ZoneName = Annotated[str, AfterValidator(checked_zone)]


def _hint(written: str) -> str:
    if written.casefold() in _OF_THE_MACHINE:
        return "; a zone is named, so that every machine and server means the same"
    offset = _offset(written)
    if offset is not None:
        return _with_offset(offset)
    # Shanghai, China
    place = written.partition(",")[0]
    found = _by_words(place) or _by_city(place) or _by_abbreviation(place) or _nearest(place)
    if not found:
        return ""
    others = f" Others with {written} are {', '.join(found[1:_SHOWN])}." if found[1:] else ""
    return f"; was {found[0]} meant?{others}"


def _offset(written: str) -> timedelta | None:
    if match := _OFFSET.fullmatch(written):
        length = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
        return -length if match["sign"] == "-" else length
    if match := _CHINESE_OFFSET.fullmatch(written):
        hours = int(match["hours"]) if match["hours"].isdigit() else sum(_DIGITS[digit] for digit in match["hours"])
        return timedelta(hours=hours if match["side"] == "东" else -hours)
    return None


def _with_offset(offset: timedelta) -> str:
    """The zones that have an offset now: those that have it all year round, then those that have it at this time of the
    year.
    """
    minutes = int(offset.total_seconds()) // 60
    text = f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    if not offset:
        return "; was UTC meant?"
    now = datetime.now(UTC)
    year = [now + timedelta(days=days) for days in range(0, 366, 14)]
    having = _best(zone for zone in _cities() if now.astimezone(ZoneInfo(zone)).utcoffset() == offset)
    always = [
        zone for zone in having if all(moment.astimezone(ZoneInfo(zone)).utcoffset() == offset for moment in year)
    ]
    changing = [zone for zone in having if zone not in always]
    if not having:
        return f"; no zone has {text} now"
    said = [f"of {', '.join(always[:_SHOWN])} all year round"] if always else []
    said += [f"of {', '.join(changing[:_SHOWN])} at this time of the year"] if changing else []
    return f"; was {(always or changing)[0]} meant? {text} is the clock {', and '.join(said)}"


def _by_words(written: str) -> list[str]:
    """A name in other letters or signs (asia/shanghai, Asia-Shanghai), a country, a city's other name, a name of
    Windows'.
    """
    word = _plain(written)
    short = _ZONE_WORDS.sub("", word)
    if short != word and short in WINDOWS_NAMES:
        return [WINDOWS_NAMES[short]]
    last = _ZONE_WORDS.sub("", _plain(written.rpartition("/")[2]))
    for known in (word, short, last):
        if known in ALIASES:
            return [ALIASES[known]]
    # Signs count where there are digits: Etc/GMT+8 and Etc/GMT-8 are sixteen hours apart.
    same = _plain if word.isalpha() else str.casefold
    return [zone for zone in sorted(available_timezones()) if same(zone) == same(written)][:1]


def _by_city(written: str) -> list[str]:
    city = _ZONE_WORDS.sub("", _plain(written.rpartition("/")[2]))
    return _best(zone for zone in _cities() if _city(zone) == city)[:1]


def _by_abbreviation(written: str) -> list[str]:
    """CST and the like, which zones' clocks print; several zones may."""
    year = datetime.now(UTC).year
    seasons = [datetime(year, month, 1, tzinfo=UTC) for month in (1, 7)]
    return [
        zone
        for zone in WELL_KNOWN
        if any(moment.astimezone(ZoneInfo(zone)).tzname() == written.upper() for moment in seasons)
    ]


def _nearest(written: str) -> list[str]:
    """A slip of the pen in the city's name, in the area that is written if one is."""
    area, _, city = written.rpartition("/")
    right = [zone for zone in _best(_cities()) if not area or _plain(zone.rpartition("/")[0]) == _plain(area)]
    names = [_city(zone) for zone in right]
    others = list(ALIASES)
    found = process.extractOne(_plain(city), [*names, *others], scorer=OSA.normalized_similarity, score_cutoff=0.75)
    return [[*right, *ALIASES.values()][found[2]]] if found and len(_plain(city)) > _SHOWN else []


def _plain(text: str) -> str:
    return _NO_LETTERS.sub("", text).casefold()


def _city(zone: str) -> str:
    return _plain(zone.rpartition("/")[2])


@functools.cache
def _cities() -> tuple[str, ...]:
    return tuple(sorted(zone for zone in available_timezones() if zone.startswith(_AREAS)))


def _best(zones: Iterable[str]) -> list[str]:
    """The same zones, those that more people mean first, the rest by name."""
    rank = {zone: number for number, zone in enumerate(WELL_KNOWN)}
    return sorted(zones, key=lambda zone: (rank.get(zone, len(rank)), zone))

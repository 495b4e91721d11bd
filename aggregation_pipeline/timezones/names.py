"""The check of a time zone's IANA name, which suggests the right name for what people write instead."""

import functools
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

from aggregation_pipeline.timezones.aliases import ALIASES, WELL_KNOWN, WINDOWS_NAMES

_AREAS: Final = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
# Words for the zone of the machine, or for none at all. tzdata has some of them as names.
_NOT_A_ZONE: Final = frozenset(("localtime", "local", "system", "factory", "default", "本地", "系统", "Factory"))
# How many names a message suggests at most.
_SHOWN: Final = 3
# +08:00, 8, UTC+8, UTC +08:00:00; JavaScript's GMT+0800 (China Standard Time); Windows' (UTC+08:00) Beijing, ...
# Etc/GMT+8 is no such offset, because it has the opposite sign.
_OFFSET: Final = re.compile(
    r"\(?(?:(?:etc/)?utc?|gmt|z)?\s*(?P<sign>[+-]?)\s*(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2})(?::?00)?)?"
    r"(?:\).*|\s*\(.*\))?",
    re.IGNORECASE,
)
# A shorter word resembles too many cities.
_MIN_LETTERS: Final = 4
# 东八区 is UTC+8.
_CHINESE_OFFSET: Final = re.compile(r"(?P<side>[东西])(?P<hours>[一二三四五六七八九十]{1,2}|\d{1,2})时?区?")
_DIGITS: Final = {digit: number for number, digit in enumerate("一二三四五六七八九十", 1)}
_ORDINARY: Final = str.maketrans("＋－−–：／（）", "+---:/()")
_NO_LETTERS: Final = re.compile(r"[\W_]+")
_ZONE_WORDS: Final = re.compile(r"(?:标准)?时[间区]$|(?:(?:standard|daylight|summer)?time)$")


# To list the zones of the machine takes longer than all else in loading the settings, and each log handler loads them.
@functools.lru_cache(maxsize=100)
def checked_zone(name: str) -> str:
    """The name, if it is one of an IANA time zone.

    Raises:
        ValueError: it is not; the message suggests the right name, if one is near.
    """
    if name in _NOT_A_ZONE or name not in available_timezones():
        raise ValueError(
            f"an IANA time zone such as Asia/Shanghai is expected, {name!r} is"
            f" none{_hint(name.strip().translate(_ORDINARY))}"
        )
    return name


ZoneName = Annotated[str, AfterValidator(checked_zone)]


def _hint(written: str) -> str:
    if written.casefold() in _NOT_A_ZONE:
        return "; name a zone, so that every machine and server uses the same one"
    offset = _parse_offset(written)
    if offset is not None:
        return _hint_for_offset(offset)
    # The part before the comma in "Shanghai, China".
    place = written.partition(",")[0]
    found = _by_alias(place) or _by_city(place) or _by_abbreviation(place) or _nearest(place)
    if not found:
        return ""
    others = f" Others with {written} are {', '.join(found[1:_SHOWN])}." if found[1:] else ""
    return f"; was {found[0]} meant?{others}"


def _parse_offset(written: str) -> timedelta | None:
    if match := _OFFSET.fullmatch(written):
        length = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
        return -length if match["sign"] == "-" else length
    if match := _CHINESE_OFFSET.fullmatch(written):
        hours = int(match["hours"]) if match["hours"].isdigit() else sum(_DIGITS[digit] for digit in match["hours"])
        return timedelta(hours=hours if match["side"] == "东" else -hours)
    return None


def _hint_for_offset(offset: timedelta) -> str:
    """Suggest zones that have an offset now: first those that have it all year round."""
    minutes = int(offset.total_seconds()) // 60
    text = f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    if not offset:
        return "; was UTC meant?"
    now = datetime.now(UTC)
    year = [now + timedelta(days=days) for days in range(0, 366, 14)]
    zones = _by_popularity(zone for zone in _cities() if now.astimezone(ZoneInfo(zone)).utcoffset() == offset)
    always = [zone for zone in zones if all(moment.astimezone(ZoneInfo(zone)).utcoffset() == offset for moment in year)]
    now_only = [zone for zone in zones if zone not in always]
    if not zones:
        return f"; no zone has {text} now"
    clauses = [f"of {', '.join(always[:_SHOWN])} all year round"] if always else []
    clauses += [f"of {', '.join(now_only[:_SHOWN])} at this time of the year"] if now_only else []
    return f"; was {(always or now_only)[0]} meant? {text} is the clock {', and '.join(clauses)}"


def _by_alias(written: str) -> list[str]:
    """The zone for another spelling (asia/shanghai, Asia-Shanghai), a country, a city, or a name of Windows."""
    word = _letters(written)
    short = _ZONE_WORDS.sub("", word)
    if short != word and short in WINDOWS_NAMES:
        return [WINDOWS_NAMES[short]]
    last = _ZONE_WORDS.sub("", _letters(written.rpartition("/")[2]))
    for known in (word, short, last):
        if known in ALIASES:
            return [ALIASES[known]]
    # With digits the signs count too: Etc/GMT+8 and Etc/GMT-8 are sixteen hours apart.
    normalize = _letters if word.isalpha() else str.casefold
    return [zone for zone in sorted(available_timezones()) if normalize(zone) == normalize(written)][:1]


def _by_city(written: str) -> list[str]:
    city = _ZONE_WORDS.sub("", _letters(written.rpartition("/")[2]))
    return _by_popularity(zone for zone in _cities() if _city(zone) == city)[:1]


def _by_abbreviation(written: str) -> list[str]:
    """The zones that use an abbreviation such as CST; there may be several."""
    year = datetime.now(UTC).year
    seasons = [datetime(year, month, 1, tzinfo=UTC) for month in (1, 7)]
    return [
        zone
        for zone in WELL_KNOWN
        if any(moment.astimezone(ZoneInfo(zone)).tzname() == written.upper() for moment in seasons)
    ]


def _nearest(written: str) -> list[str]:
    """The zone with the most similar city, in the area that was written, if one was."""
    area, _, city = written.rpartition("/")
    letters = _letters(city)
    if len(letters) < _MIN_LETTERS:
        return []
    zones = [
        zone for zone in _by_popularity(_cities()) if not area or _letters(zone.rpartition("/")[0]) == _letters(area)
    ]
    names = [*(_city(zone) for zone in zones), *ALIASES]
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    found = process.extractOne(letters, names, scorer=OSA.normalized_similarity, score_cutoff=0.75)
    return [[*zones, *ALIASES.values()][found[2]]] if found else []


def _letters(text: str) -> str:
    """The letters and digits of a text, in lower case."""
    return _NO_LETTERS.sub("", text).casefold()


def _city(zone: str) -> str:
    return _letters(zone.rpartition("/")[2])


@functools.cache
def _cities() -> tuple[str, ...]:
    return tuple(sorted(zone for zone in available_timezones() if zone.startswith(_AREAS)))


def _by_popularity(zones: Iterable[str]) -> list[str]:
    """The zones, those that more people mean first, the rest by name."""
    rank = {zone: number for number, zone in enumerate(WELL_KNOWN)}
    return sorted(zones, key=lambda zone: (rank.get(zone, len(rank)), zone))

"""Variables that nobody reads, and whose names are nearly those of ours: a setting that is silently without effect."""

import functools
import logging
from collections.abc import Iterable
from typing import Final

from rapidfuzz.distance import OSA

_log = logging.getLogger(__name__)
# What other programs call the same; other variables of theirs may well stand beside ours.
_ALIASES: Final = {
    "db_ssl": "db_ssl_mode",
    "db_tls": "db_ssl_mode",
    "db_pass": "db_password",
    "db_pwd": "db_password",
    "db_username": "db_user",
    "db_database": "db_name",
    "oss_access_key": "oss_access_key_id",
}


def misspelt(given: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """By variable that is none of `known`, the one that was meant; all in small letters.

    Only a sign, its underscores or a customary other name may be different: files and environments hold much that is not ours.
    """
    ours = {name.replace("_", ""): name for name in known}
    return {name: right for name in given if name not in ours.values() and (right := _meant(name, ours))}


def _meant(name: str, ours: dict[str, str]) -> str:
    if name in _ALIASES:
        return _ALIASES[name] if _ALIASES[name] in ours.values() else ""
    bare = name.replace("_", "").replace("-", "")
    return next((right for word, right in ours.items() if OSA.distance(bare, word, score_cutoff=1) <= 1), "")


@functools.cache
def tell(names: tuple[tuple[str, str], ...]) -> None:
    """Say once in each process which variables are without effect, and never their values."""
    for wrong, right in names:
        _log.warning("%s is set in the environment or .env, and nothing reads it. Was %s meant?", wrong.upper(), right.upper())

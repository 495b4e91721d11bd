"""The names of users and tokens: how they are compared, and which are refused."""

import re
import unicodedata
from typing import Final

from aggregation_pipeline.errors import AccessError

LONGEST_NAME: Final = 64
_NAME: Final = re.compile(r"\w[\w.@-]*")


def normalized_name(text: str) -> str:
    """Return a name as it is stored and compared: NFKC, in lower case, without blanks around it.

    So `Alice`, and what a Chinese keyboard writes in full width, are `alice`.
    """
    # What is longer can be no name, and may be somebody's attempt to keep this busy.
    if len(text) > 4 * LONGEST_NAME:
        return text
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


def checked_name(text: str, *, of: str) -> str:
    """Return the normalized name of a user or a token (`of`).

    Raises:
        AccessError: it can be no name.
    """
    name = normalized_name(text)
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise AccessError(
            f"{text[:LONGEST_NAME]!r} cannot be the name of a {of}: 1 to {LONGEST_NAME} letters and digits are"
            " expected, with . _ - @ between them, such as alice or alice@example.com"
        )
    return name

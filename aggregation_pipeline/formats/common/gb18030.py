"""GB18030 as iconv, browsers (the WHATWG encoding) and the editions of 2005 and 2022 read it.

Python's codec is the edition of 2000. Since then twenty characters have changed places with characters of private use,
and glibc's iconv refuses a file that has some of them in their old places. They are written where all those readers
look for them. Twenty-five characters of private use have lost their places, or two readers read them differently: they
cannot be written.
"""

import re

_VERTICAL_FORMS = "\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19"
_RADICALS = "\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb"
_BYTES = {
    "\u1e3f": "A8BC",
    "\ue7c7": "8135F437",
    **dict(
        zip(
            _VERTICAL_FORMS,
            ["A6D9", "A6DA", "A6DB", "A6DC", "A6DD", "A6DE", "A6DF", "A6EC", "A6ED", "A6F3"],
            strict=True,
        )
    ),
    **dict(zip(_RADICALS, ["FE59", "FE61", "FE66", "FE67", "FE6D", "FE7E", "FE90", "FEA0"], strict=True)),
}
# Which character is written instead of one of private use. U+E5E5 never had a character; browsers read it as a blank.
_INSTEAD = {
    "\ue5e5": "\ufffd",
    **dict(zip("\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796", _VERTICAL_FORMS, strict=True)),
    **dict(zip("\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864", _RADICALS, strict=True)),
    **dict(
        zip(
            "\ue816\ue817\ue818\ue831\ue83b\ue855",
            "\U00020087\U00020089\U000200cc\U000215d7\U0002298f\U000241fe",
            strict=True,
        )
    ),
}
_CODES = {character: bytes.fromhex(code) for character, code in _BYTES.items()} | {
    old: bytes.fromhex(_BYTES[new]) if new in _BYTES else new.encode("gb18030") for old, new in _INSTEAD.items()
}
_SPECIAL = re.compile(f"([{''.join(_CODES)}])")


class Encoder:
    """Encodes UTF-8 as GB18030; `replaced` counts the characters that another one was written for."""

    def __init__(self) -> None:
        self.replaced = 0

    def __call__(self, utf8: bytes | memoryview) -> bytes:
        """Return the same text in GB18030."""
        text = str(utf8, "utf-8")
        if text.isascii() or _SPECIAL.search(text) is None:
            return text.encode("gb18030")
        # Plain text and special characters take turns.
        parts = _SPECIAL.split(text)
        self.replaced += sum(character in _INSTEAD for character in parts[1::2])
        return b"".join(_CODES[part] if i % 2 else part.encode("gb18030") for i, part in enumerate(parts))

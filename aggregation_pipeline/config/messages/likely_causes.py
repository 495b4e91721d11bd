"""The likely cause of an issue, read from the text: signs of a Chinese keyboard, JavaScript, a template."""

import re
import unicodedata
from typing import Final

# The ASCII signs that were meant, where NFKC does not give them.
_ASCII_SIGNS: Final = {
    **dict(zip("。、“”„‘’「」『』【】〔〕《》〈〉–—−×÷", '.,"""\'\'""""[][]<><>---*/', strict=True)),
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
}
_INVISIBLE: Final = "\u200b\u200c\u200d\u2060\ufeff"
# A text in quotes, as in SQL and YAML, or a name in backticks.
QUOTED: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|`[^`]*`""")
_COMMENT: Final = re.compile(r"(?:^|[\s,{}\[\]])(//|/\*)")
_YAML_COMMENT: Final = re.compile(r"(?:^|\s)#.*")
_JAVASCRIPT: Final = re.compile(
    r"^\s*(?:module\.exports|exports\.\w+|export\s|const\s|let\s|var\s|import\s|function\s|return\s|\}\s*\)?;)"
)
# {{ x }} and {% x %} of Jinja, ${X} of shells and JavaScript, #{x} and <%= x %> of Ruby, %(x)s of Python.
_TEMPLATE: Final = re.compile(r"\{\{|\{%|\$\{|#\{|<%|%\(\w*\)[sd]")
_WHOLE_TEMPLATE: Final = re.compile(r"\s*(?:\{\{.*\}\}|\$\{\s*\w+\s*\}|\{%.*%\}|<%.*%>)\s*", re.DOTALL)

NOT_FILLED_IN: Final = (
    "placeholders and templates are not filled in; write the value itself (NOW() is the time that the run stands for)"
)


def foreign_sign(text: str) -> str:
    """Describe the first non-ASCII sign outside of quotes, such as `，`, and the sign to write; empty without one."""
    for letter in QUOTED.sub("", text):
        if words := describe_sign(letter):
            return words
    return ""


def describe_sign(letter: str) -> str:
    """Describe a non-ASCII sign and the one to write instead; empty for letters, digits and ASCII."""
    if letter.isascii() or (unicodedata.category(letter)[0] in "LMN" and letter not in _INVISIBLE):
        return ""
    name = (
        unicodedata.name(letter, "no name")
        .lower()
        .replace("fullwidth", "full-width")
        .replace("zero width", "zero-width")
    )
    code = f"U+{ord(letter):04X}"
    if letter in _INVISIBLE:
        return f"there is the invisible sign {code} ({name}); delete it"
    if unicodedata.category(letter)[0] == "Z":
        return f"there is the space {code} ({name}); write a plain space"
    meant = _ASCII_SIGNS.get(letter, unicodedata.normalize("NFKC", letter))
    remedy = f"; write the ASCII sign {meant!r}" if meant.isascii() and meant != letter else "; put the text in quotes"
    return f"the sign {letter} is the {name} ({code}), not an ASCII sign{remedy}"


def foreign_comment(text: str) -> str:
    """Describe a comment of JavaScript or CSS in YAML; empty without one."""
    found = _COMMENT.search(QUOTED.sub("''", text))
    return f"comments begin with #, not with {found[1]}" if found else ""


def template(text: str) -> str:
    """Describe the marks of a template outside of quotes, such as `{{`; empty without any."""
    return NOT_FILLED_IN if _TEMPLATE.search(QUOTED.sub("''", text)) else ""


def is_template(text: str) -> bool:
    """Whether a text is a template and nothing else: `{{ ds }}`, `${DAY}`."""
    return _WHOLE_TEMPLATE.fullmatch(text) is not None


def likely_cause(text: str) -> str:
    """The likeliest cause for a text that is not what was expected; empty where nothing stands out."""
    return (
        foreign_sign(text)
        or foreign_comment(text)
        or template(text)
        or _missing_space(text)
        or _escape(text)
        or _comma(text)
    )


def foreign_line(line: str) -> str:
    """Describe the JavaScript or the template in a line that is not YAML; empty without either."""
    if _JAVASCRIPT.match(line):
        return "this is JavaScript; paste the object alone, tableConfigs: { ... }, without the code around it"
    bare = without_quotes(line)
    return foreign_comment(bare) or template(bare)


def without_quotes(line: str) -> str:
    """A line of YAML without its comment, and with the texts in quotes emptied."""
    return _YAML_COMMENT.sub("", QUOTED.sub("''", line))


def _missing_space(text: str) -> str:
    if re.match(r"-[^\s\d-]", text):
        return "an item of a list begins with - and a space"
    return "a key is followed by a colon and a space" if re.match(r"\w+:[^\s/]", text) else ""


def _comma(text: str) -> str:
    return "there is a comma at its end; take it out" if text.endswith(",") else ""


def _escape(text: str) -> str:
    found = re.fullmatch(r"\\[tnr0\\]|tab|\\?x?(?:09|u0009)", text, re.IGNORECASE)
    return 'a tab is written "\\t", in double quotes, where \\t is one character' if found else ""

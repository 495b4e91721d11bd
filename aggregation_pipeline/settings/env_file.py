r"""A `.env` file, read by the grammar of Node's dotenv since 16.0, so that files of Node services work as they are.

    file        = { blank line | comment | assignment }
    comment     = "#" up to the end of the line
    assignment  = [ "export" blanks ] name ( [ blanks ] "=" | ":" blanks ) [ blanks ] value [ blanks ] [ comment ]
    name        = letters, digits, "_", ".", "-", all of them ASCII
    value       = quoted | plain
    quoted      = "'", '"' or "`", anything up to the same quote, line breaks too, and nothing but a comment after it
    plain       = everything up to a "#" or the end of the line; what begins and ends with the same quote loses both

Nothing is expanded. Between double quotes, \n and \r are line breaks. A backslash before a quote keeps the quote from
ending the value, and stays in the value. Of several assignments to one name the last counts. Lines that dotenv would
skip, or read together with the next line, are refused.
"""

import re
from pathlib import Path
from typing import Final

from aggregation_pipeline.errors import SettingsError

# What JavaScript counts as white space, without line breaks.
_BLANKS: Final = " \t\v\f\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\ufeff"
_NAME: Final = re.compile(rf"(?:export[{_BLANKS}]+)?([A-Za-z0-9_.-]+)(?:[{_BLANKS}]*=|:(?=[{_BLANKS}]))")
_QUOTED: Final = re.compile(
    rf"[{_BLANKS}]*(?P<quote>['\"`])(?P<inner>(?:\\(?P=quote)|(?!(?P=quote)).)*)(?P=quote)[{_BLANKS}]*(?:#[^\n]*)?(?=\n|\Z)",
    re.DOTALL,
)
_PLAIN: Final = re.compile(r"([^#\n]*)[^\n]*")
_BLANK_LINE: Final = re.compile(rf"[{_BLANKS}]*(?:#[^\n]*)?(?=\n|\Z)")
_INDENT: Final = re.compile(rf"[{_BLANKS}]*")
_ENDS: Final = re.compile(rf"^[{_BLANKS}\u2028\u2029]+|[{_BLANKS}\u2028\u2029]+$")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_SAVE: Final = "Save it as UTF-8"


def read_env_file(path: Path) -> str:
    """The file's text.

    Raises:
        FileNotFoundError: there is no such file.
        SettingsError: it cannot be read, or is not UTF-8. UTF-16 could be recognized, but Dagster's services read the
            same file, and as UTF-8 only.
    """
    try:
        content = path.read_bytes()
    except IsADirectoryError:
        raise SettingsError(
            f"{path} is a folder, and a file of variables is expected there. Docker makes such a folder where the file"
            " to mount is missing"
        ) from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror})") from None
    if content.startswith(_UTF16) or b"\0" in content:
        raise SettingsError(f"{path}, line 1: the file is UTF-16, which Notepad calls Unicode. {_SAVE}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            f"{path}, line {line}: the file is not UTF-8; it may be GBK or Latin-1, which Notepad calls ANSI. {_SAVE}"
        ) from None


def parse_env_file(text: str, path: Path) -> dict[str, str]:
    """The variables of the text; `path` is for messages.

    Raises:
        SettingsError: names the lines that are no assignments, without their text, which may be part of a secret.
    """
    text = re.sub(r"\r\n?", "\n", text)
    values: dict[str, str] = {}
    refused: list[int] = []
    position = 0
    while position < len(text):
        if blank := _BLANK_LINE.match(text, position):
            position = blank.end() + 1
            continue
        start = _match(_INDENT, text, position).end()
        if name := _NAME.match(text, start):
            values[name[1]], position = _value(text, name.end())
        else:
            refused.append(text.count("\n", 0, start) + 1)
            position = _match(_PLAIN, text, start).end()
        position += 1
    if refused:
        raise SettingsError(_refusal(path, refused, text.split("\n")[refused[0] - 1]))
    return values


def _value(text: str, start: int) -> tuple[str, int]:
    """The value that begins at `start`, and where its line ends."""
    if quoted := _QUOTED.match(text, start):
        value, quote, end = quoted["inner"], quoted["quote"], quoted.end()
    else:
        plain = _match(_PLAIN, text, start)
        value, end = _ENDS.sub("", plain[1]), plain.end()
        quote = value[:1]
        if len(value) > 1 and quote in {"'", '"', "`"} and value.endswith(quote):
            value = value[1:-1]
    return (value.replace(r"\n", "\n").replace(r"\r", "\r") if quote == '"' else value), end


def _match(pattern: re.Pattern[str], text: str, position: int) -> re.Match[str]:
    """The match of a pattern that also matches no text at all."""
    found = pattern.match(text, position)
    if found is None:
        raise ValueError(f"{pattern.pattern} is expected to match anything")
    return found


def _refusal(path: Path, lines: list[int], first: str) -> str:
    more = ", ".join(f"line {line}" for line in lines[1:5]) + (" ..." if lines[5:] else "")
    others = f" (and {more})" if more else ""
    if "＝" in first or "：" in first:
        remedy = "It has a full-width sign (＝ or ：): write = instead"
    elif re.match(r"\s*[A-Za-z0-9_.-]+\s*:", first):
        remedy = "Write NAME=value, or a blank after the colon"
    else:
        remedy = "Put a # before a comment, and quotes around a value of several lines"
    return f"{path}, line {lines[0]}{others}: no assignment such as NAME=value. {remedy}"

"""Documents, taken apart: sections, headings, tables, code blocks and links of Markdown."""

import re
from pathlib import Path

CODE_SPAN = re.compile(r"`([^`]+)`")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
# A bar inside of code marks, as MySQL's `||`, is written \|.
_CELL_BORDER = re.compile(r"(?<!\\)\|")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def code_blocks(text: str) -> list[tuple[str, str]]:
    """(language, code) of each fenced block; the language is empty where none is named."""
    return _BLOCK.findall(text)


def without_code(text: str) -> str:
    """The text without its fenced blocks."""
    return _BLOCK.sub("", text)


def headings(text: str) -> list[tuple[int, str]]:
    """(level, text) of each heading."""
    return [(len(marks), words.strip()) for marks, words in _HEADING.findall(without_code(text))]


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    start = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert start is not None, f"there is no heading {heading!r}"
    blocks = [match.span() for match in _BLOCK.finditer(text)]
    for end in _HEADING.finditer(text, start.end()):
        # A line of a code block that begins with # is a comment.
        in_code = any(first <= end.start() < last for first, last in blocks)
        if len(end[1]) <= len(start[1]) and not in_code:
            return text[start.end() : end.start()]
    return text[start.end() :]


def tables(text: str) -> list[list[list[str]]]:
    """The cells of each table, row by row, without its head."""
    found: list[list[list[str]]] = []
    inside = False
    for line in without_code(text).splitlines():
        cells = [cell.strip() for cell in _CELL_BORDER.split(line)[1:-1]]
        if not cells:
            inside = False
        elif all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            found.append([])
            inside = True
        elif inside:
            found[-1].append(cells)
    return found


def prose(text: str) -> str:
    """What is written for people: no code, no links' targets."""
    return CODE_SPAN.sub("", _LINK.sub("]", without_code(text)))


def anchors(path: Path) -> set[str]:
    """What a link's # may name, as public forges derive it from the headings."""
    return {re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-") for _, words in headings(read(path))}


def links(path: Path) -> list[tuple[Path, str]]:
    """(file, anchor) of each link that leads to a file of this repository."""
    found = [target for target in _LINK.findall(without_code(read(path))) if "://" not in target]
    parts = [target.partition("#") for target in found]
    return [((path.parent / file if file else path), anchor) for file, _, anchor in parts]

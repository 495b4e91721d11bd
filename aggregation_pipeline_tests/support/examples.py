"""Examples in documents that read like commits: new files, and edits of files that are there.

A new file is a `python` block whose first line is its path as a comment. Edits are a `diff` block: `--- path`, then
hunks that begin with `@@`, whose lines begin with a blank, `-` or `+`. The lines of a hunk that are there already have
to occur in the file exactly once, so a block that the code has outgrown is an error.
"""

import re
from collections.abc import Iterator
from pathlib import Path

_PATH = re.compile(r"# ([\w/]+\.py)\n+")
_FILE = re.compile(r"^--- (\S+)\n", re.MULTILINE)
_HUNK = re.compile(r"^@@.*\n", re.MULTILINE)


def new_files(blocks: list[tuple[str, str]]) -> dict[str, str]:
    """The content of each new file, by its path."""
    found = {}
    for language, code in blocks:
        if language == "python" and (path := _PATH.match(code)):
            found[path[1]] = code[path.end() :]
    return found


def apply_example(blocks: list[tuple[str, str]], root: Path) -> list[str]:
    """Write the new files below `root` and edit those that are there; returns the paths of all."""
    created = new_files(blocks)
    for path, content in created.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    edits = [edit for language, code in blocks if language == "diff" for edit in _edits(code)]
    for path, before, after in edits:
        text = (root / path).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"these lines stand {text.count(before)} times in {path}:\n{before}"
        (root / path).write_text(text.replace(before, after), encoding="utf-8")
    return [*created, *dict.fromkeys(path for path, _, _ in edits)]


def _edits(code: str) -> Iterator[tuple[str, str, str]]:
    """(path, lines that are there, lines that take their place) of each hunk."""
    _, *parts = _FILE.split(code)
    for path, hunks in zip(parts[::2], parts[1::2], strict=True):
        for hunk in _HUNK.split(hunks)[1:]:
            lines = [(line[:1], line[1:]) for line in hunk.splitlines(keepends=True)]
            # An editor takes the blank off an empty line.
            before = "".join(text or "\n" for mark, text in lines if mark != "+")
            yield path, before, "".join(text or "\n" for mark, text in lines if mark != "-")

"""V8 without Node.js, from the extra `import`: for machines that have no Node.js of their own.

Its code has no file, no network, no program and no package: it is given the texts of the project's files. CommonJS
only, and of Node's own modules only what configurations use.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MEMORY_MIB: Final = 256
_PROGRAM: Final = Path(__file__).with_name("in_racer.py")
_ENDINGS: Final = (".js", ".cjs", ".mjs", ".json")
_LEFT_OUT: Final = frozenset(("node_modules", "coverage"))
_MOST_FILES: Final = 5000
_MOST_BYTES: Final = 32 * 2**20


@dataclass(frozen=True)
class Racer:
    """V8 in a process of its own; `packages` is the folder where mini-racer is installed."""

    packages: str
    name: str = "V8"

    def command(self, _root: Path, descriptor: int) -> Sequence[str]:
        """The program that answers on the descriptor."""
        return [sys.executable, "-I", str(_PROGRAM), str(descriptor), str(MEMORY_MIB * 2**20), self.packages]

    def needs(self, root: Path) -> Mapping[str, Any]:
        """What it is told besides: the texts of the project's files, by their paths."""
        return {"sources": dict(_sources(root))}


def find_racer() -> Racer | None:
    """mini-racer, where it is installed."""
    found = importlib.util.find_spec("py_mini_racer")
    return Racer(str(Path(found.origin).parents[1])) if found and found.origin else None


def _sources(root: Path) -> Iterator[tuple[str, str]]:
    """The files that `require` may ask for, as far as they are few and inside of the project."""
    files, size = 0, 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _LEFT_OUT)
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix not in _ENDINGS or not path.resolve().is_relative_to(root):
                continue
            try:
                content = path.read_bytes() if path.is_file() else None
            except OSError:
                continue
            if content is None:
                continue
            files, size = files + 1, size + len(content)
            if files > _MOST_FILES or size > _MOST_BYTES:
                return
            yield str(path), content.decode("utf-8-sig", "replace")

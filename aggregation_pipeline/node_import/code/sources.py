"""The source files of a Node project that take effect: those that its start file loads, directly or not."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aggregation_pipeline.errors import ImportNodeError
from aggregation_pipeline.node_import.code.javascript import Token, line_of, tokenize

_ENDINGS: Final = ("", ".js", ".cjs", ".mjs", ".json", "/index.js", "/index.cjs", "/index.mjs")
_USUAL_STARTS: Final = ("server.js", "index.js", "app.js", "src/server.js", "src/index.js", "src/app.js")
_MOST_FILES: Final = 2000
_MOST_BYTES: Final = 4 * 2**20
_PARENTS: Final = {"join", "resolve"}


@dataclass(frozen=True)
class SourceFile:
    """A file that the service loads.

    Attributes:
        name: its path in the project, with slashes.
        is_module: whether Node reads it as an ES module.
        garbled: whether it is not UTF-8, so that Node, too, does not read its texts as they were meant.
    """

    path: Path
    name: str
    text: str
    tokens: Sequence[Token]
    is_module: bool
    garbled: bool

    def place(self, token: int) -> str:
        """The place of a token, as `config/rules.js:12`."""
        return f"{self.name}:{line_of(self.text, self.tokens[token].start)}"


@dataclass
class NodeProject:
    """A Node project on the disk.

    Attributes:
        root: its folder, without symlinks.
        package: package.json, as far as it is an object.
        start: the file with which the service starts, and how that is known.
        loaded: the files that it loads, by their paths.
        not_followed: what could not be followed, with its place.
        computed: what of it has a name that is computed, by file.
    """

    root: Path
    package: dict[str, Any]
    start: Path
    start_known_by: str
    loaded: dict[Path, SourceFile] = field(default_factory=dict)
    not_followed: list[str] = field(default_factory=list)
    computed: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def constants(self) -> set[str]:
        """All texts that stand in the files which it loads, whatever they are for."""
        return {token.value for source in self.loaded.values() for token in source.tokens if token.is_constant}

    def name_of(self, path: Path) -> str:
        """The path of a file in the project, with slashes."""
        return path.relative_to(self.root).as_posix()


def open_project(folder: Path) -> NodeProject:
    """Find what the service loads.

    Raises:
        ImportNodeError: there is no Node project, or it is not known with which file it starts.
    """
    root = folder.resolve()
    if not root.is_dir():
        what = "a file" if root.exists() else "not there"
        raise ImportNodeError(
            f"{folder} is {what}; the folder of the Node service is expected, which has its package.json. Rules that"
            " are a JSON file are taken with --rules"
        )
    package = _package_of(root)
    start, known_by = _start_of(root, package)
    project = NodeProject(root, package, start, known_by)
    _follow(project)
    return project


def read_source(project: NodeProject, path: Path) -> SourceFile:
    """Read one file.

    Raises:
        ImportNodeError: it cannot be read, or is far too large for a source file.
    """
    name = project.name_of(path)
    try:
        content = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
    except OSError as error:
        raise ImportNodeError(f"{name} cannot be read ({error.strerror})") from None
    if content is None:
        raise ImportNodeError(f"{name} is larger than {_MOST_BYTES // 2**20} MiB, which no source file is")
    try:
        text, garbled = content.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        # As Node does. The rest of the file may be of use.
        text, garbled = content.decode("utf-8", "replace"), True
    try:
        tokens = [] if path.suffix == ".json" else tokenize(text)
    except RecursionError:
        raise ImportNodeError(f"{name} is nested too deeply to be read") from None
    return SourceFile(path, name, text, tokens, _is_module(project.root, path), garbled)


def other_sources(project: NodeProject) -> Iterator[SourceFile]:
    """The files of the project that nothing loads, without packages and tests; as far as they can be read."""
    found = 0
    for folder in (project.root, *(each for each in sorted(project.root.iterdir()) if each.is_dir())):
        if folder.name in {"node_modules", "test", "tests", "__tests__"} or folder.name.startswith("."):
            continue
        for path in sorted(folder.glob("*.[jcm]*s") if folder == project.root else folder.rglob("*.[jcm]*s")):
            inside = path.resolve()
            if not inside.is_relative_to(project.root) or inside in project.loaded or "node_modules" in path.parts:
                continue
            found += 1
            if found > _MOST_FILES:
                return
            try:
                yield read_source(project, inside)
            except ImportNodeError:
                continue


def _package_of(root: Path) -> dict[str, Any]:
    path = root / "package.json"
    try:
        package = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise ImportNodeError(
            f"{root} has no package.json, so it is no Node project. Name the folder that has it; rules that are a JSON"
            " file are taken with --rules"
        ) from None
    except OSError as error:
        raise ImportNodeError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ImportNodeError(
            f"{path} is not UTF-8; save it so, since Node does not read it otherwise either"
        ) from None
    except (json.JSONDecodeError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ImportNodeError(f"{path}{line}: this is no JSON") from None
    if not isinstance(package, dict):
        raise ImportNodeError(f"{path}: a JSON object is expected")
    return package


def _start_of(root: Path, package: dict[str, Any]) -> tuple[Path, str]:
    scripts = package.get("scripts")
    script = scripts.get("start") if isinstance(scripts, dict) else None
    wanted = []
    if isinstance(script, str):
        files = [
            word for word in script.replace('"', " ").replace("'", " ").split() if re.search(r"\.[cm]?[jt]s$", word)
        ]
        wanted += [(file, "scripts.start of package.json") for file in files]
    if isinstance(package.get("main"), str):
        wanted.append((package["main"], "main of package.json"))
    wanted += [(name, "its name, as package.json names no start") for name in _USUAL_STARTS]
    for name, known_by in wanted:
        for candidate in (name, *_compiled(root, name)):
            if path := _existing(root, root / candidate):
                return path, known_by
    named = sorted({name for name, known_by in wanted if "package.json names" not in known_by})
    remedy = (
        f"{', '.join(named)} is TypeScript, and what it was compiled to is missing: run npm run build there first"
        if any(name.endswith("ts") for name in named)
        else "package.json names no file that exists, neither in scripts.start nor in main"
    )
    raise ImportNodeError(f"{root}: it is not known with which file the service starts. {remedy}")


def _compiled(root: Path, name: str) -> list[str]:
    """Where TypeScript's compiler may have put a file."""
    if not name.endswith("ts"):
        return []
    out = "dist"
    try:
        found = re.search(r'"outDir"\s*:\s*"([^"]+)"', (root / "tsconfig.json").read_text("utf-8-sig"))
        out = found[1] if found else out
    except (OSError, UnicodeDecodeError):
        pass
    compiled = re.sub(r"ts$", "js", name.removeprefix("./"))
    return [f"{out}/{compiled}", f"{out}/{compiled.removeprefix('src/')}", f"dist/{compiled.removeprefix('src/')}"]


def _existing(root: Path, path: Path) -> Path | None:
    """The file that Node would take for this path, if it lies in the project."""
    for ending in _ENDINGS:
        try:
            candidate = Path(f"{path}{ending}").resolve()
            if candidate.is_file() and candidate.is_relative_to(root) and candidate.suffix != ".ts":
                return candidate
        except (OSError, ValueError):
            return None
    return None


def _is_module(root: Path, path: Path) -> bool:
    if path.suffix in {".mjs", ".cjs"}:
        return path.suffix == ".mjs"
    for folder in path.parents:
        if (folder / "package.json").is_file():
            try:
                package = json.loads((folder / "package.json").read_text("utf-8-sig"))
            except (OSError, ValueError):
                return False
            return isinstance(package, dict) and package.get("type") == "module"
        if folder == root:
            break
    return False


def _follow(project: NodeProject) -> None:
    waiting = [project.start]
    while waiting:
        path = waiting.pop(0)
        if path in project.loaded:
            continue
        if len(project.loaded) >= _MOST_FILES:
            project.not_followed.append(f"more than {_MOST_FILES} files: those beyond were not read")
            return
        try:
            source = read_source(project, path)
        except ImportNodeError as error:
            project.not_followed.append(str(error))
            continue
        project.loaded[path] = source
        for index, wanted in loads(source.tokens):
            if wanted is None:
                project.computed.append((path, f"{source.place(index)} loads a file by a name that is computed"))
                project.not_followed.append(project.computed[-1][1])
                continue
            if not wanted.startswith((".", "/")):
                continue
            target = path.parent / wanted
            if found := _existing(project.root, target):
                waiting.append(found)
            else:
                there = any(Path(f"{target}{ending}").exists() for ending in _ENDINGS)
                outside = "lies outside of the project" if there else "is not there"
                project.not_followed.append(f"{source.place(index)} loads {wanted}, which {outside}")


def loads(tokens: Sequence[Token]) -> Iterator[tuple[int, str | None]]:
    """What a file loads, with the index of the token; None for a name that is computed."""
    for index, token in enumerate(tokens[:-1]):
        after = tokens[index + 1]
        if token.kind != "word" or (index and tokens[index - 1].text in {".", "?."}):
            continue
        if token.text in {"require", "import"} and after.text == "(" and index + 2 < len(tokens):
            yield index, _name_in_call(tokens, index + 2)
        elif token.text in {"from", "import"} and after.is_constant:
            yield index, after.value


def _name_in_call(tokens: Sequence[Token], index: int) -> str | None:
    """`'./x'`, or the parts of `path.join(__dirname, 'a', 'b')`."""
    if tokens[index].is_constant:
        return tokens[index].value if tokens[index + 1 :][:1] and tokens[index + 1].text in {")", ","} else None
    words = [token for token in tokens[index : index + 20] if token.text not in {".", ",", "("}]
    if len(words) > 2 and words[0].text == "path" and words[1].text in _PARENTS and words[2].text == "__dirname":
        parts: list[Token] = []
        for token in words[3:]:
            if token.text == ")":
                return "./" + "/".join(part.value.strip("/") for part in parts)
            if not token.is_constant:
                return None
            parts.append(token)
    return None

"""Where the Node service has variables from besides `.env`: its start script, and other files."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Final

from aggregation_pipeline.node_import.code.sources import NodeProject, SourceFile
from aggregation_pipeline.node_import.report import Item

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=([^$`]*)", re.DOTALL)
# Of Node itself, and of what loads variables.
_OF_NODE: Final = re.compile(r"NODE_(?!ENV$)|UV_|DOTENV_", re.IGNORECASE)
_FILE_IN_SCRIPT: Final = re.compile(
    r"--env-file(?:-if-exists)?[=\s]+(\S+)|dotenv_config_path=(\S+)|\b(?:dotenv|env-cmd)\s+-[ef]\s*(\S+)", re.IGNORECASE
)
_FILE_IN_CODE: Final = re.compile(r"(?:.*[/\\])?(?:\.env(?:\.[\w-]+)?|[\w-]+\.env)")
_EXPANDS: Final = re.compile(r"dotenv-expand(/.*)?|@dotenvx/dotenvx(/.*)?")
_EXAMPLES: Final = (".example", ".sample", ".template")


def start_variables(project: NodeProject) -> dict[str, str]:
    """The variables that the start script sets, as in `TZ=UTC node server.js`: they win over those of `.env`."""
    try:
        words = shlex.split(_script(project))
    except ValueError:
        return {}
    found = (_ASSIGNMENT.fullmatch(word) for word in words)
    return {each[1]: each[2] for each in found if each and not _OF_NODE.match(each[1])}


def notes_of_environment(project: NodeProject, env: Mapping[str, str]) -> Iterator[Item]:
    """What is left to do, since variables come from another file than `.env`, or are expanded there."""
    files = [
        (name.strip("'\""), "package.json") for found in _FILE_IN_SCRIPT.findall(_script(project)) for name in found
    ]
    files += [found for source in project.loaded.values() for found in _files_in(source)]
    for name, place in dict(files).items():
        if name and (project.root / name).resolve() != project.root / ".env":
            text = "the service has variables from this file. Only .env is read: set what differs there by hand"
            yield Item("not carried", name, text, place)
    if any(map(_EXPANDS.fullmatch, project.constants)):
        text = "the old code puts other variables in where $ stands. Here the value is as it is written: put it right"
        yield from (Item("not carried", name, text, ".env") for name, value in env.items() if "$" in value)


def _script(project: NodeProject) -> str:
    scripts = project.package.get("scripts")
    script = scripts.get("start") if isinstance(scripts, dict) else None
    return script if isinstance(script, str) else ""


def _files_in(source: SourceFile) -> Iterator[tuple[str, str]]:
    """The names of such files in code, but for those of `.env` itself, wherever the code looks for it."""
    for index, token in enumerate(source.tokens):
        if token.kind not in ("text", "template") or ".env" not in token.text:
            continue
        name = token.value if token.is_constant else re.sub(r"\$\{.*?\}", "X", token.value)
        bare = name.strip("./\\")
        if _FILE_IN_CODE.fullmatch(name) and bare != "env" and not name.endswith(_EXAMPLES):
            yield token.value, source.place(index)

"""The calls of a scheduler in the Node service: their cron expressions and zones, as far as the code tells them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from aggregation_pipeline.node_import.code.code_defaults import Default
from aggregation_pipeline.node_import.code.javascript import Token, matching_marks
from aggregation_pipeline.node_import.code.sources import NodeProject, SourceFile

_PACKAGES: Final = frozenset(("node-cron", "cron", "node-schedule", "croner"))
_METHODS: Final = frozenset(("schedule", "scheduleJob", "CronJob", "Cron", "createTask", "from"))
_NO_NAMES: Final = frozenset(("const", "let", "var", "import", "require", "from", "as", "default", "__importDefault"))
_EXPRESSIONS: Final = frozenset(("cronTime", "rule"))
_ZONES: Final = frozenset(("timezone", "timeZone", "tz"))
_DEEPEST: Final = 8


class Call(NamedTuple):
    """A call of a scheduler; no cron, or no zone, where its text is not found.

    Attributes:
        has_zone: whether it is given a zone.
    """

    place: str
    cron: Default | None
    zone: Default | None
    has_zone: bool


def scheduler_calls(project: NodeProject, env: Mapping[str, str]) -> list[Call]:
    """The calls in the loaded files; `env` has the variables that the code reads."""
    return [call for source in project.loaded.values() for call in _calls_in(project, source, env)]


def _calls_in(project: NodeProject, source: SourceFile, env: Mapping[str, str]) -> Iterator[Call]:
    tokens = source.tokens
    matches, names = matching_marks(tokens), _bound(tokens)
    for index, token in enumerate(tokens[:-1]):
        end = matches.get(index + 1)
        if end is None or tokens[index + 1].text != "(" or not _is_scheduler(tokens, index, names):
            continue
        arguments = list(_arguments(tokens, matches, index + 2, end))
        if not arguments:
            continue
        read = _Reader(project, env)
        keys = {tokens[at].value: at for at in range(index + 2, end) if tokens[at + 1].text == ":"}
        first = arguments[0]
        named = next((keys[key] for key in keys if key in _EXPRESSIONS), None)
        cron = read.text(source, first if named is None else named + 2)
        if token.text == "scheduleJob" and len(arguments) > 2:
            # The first argument is the name of the job.
            cron = read.text(source, arguments[1])
        zone_at = next((keys[key] + 2 for key in keys if key in _ZONES), None)
        if token.text == "CronJob" and len(arguments) > 4:
            zone_at = arguments[4]
        zone = None if zone_at is None else read.text(source, zone_at)
        yield Call(source.place(first), cron, zone, zone_at is not None)


def _bound(tokens: Sequence[Token]) -> set[str]:
    """The names that a file gives to a scheduler, or to parts of one."""
    found: set[str] = set()
    for index, token in enumerate(tokens):
        if token.is_constant and token.value in _PACKAGES:
            for before in reversed(tokens[max(index - 30, 0) : index]):
                if before.text == ";" or before.is_constant:
                    break
                if before.kind == "word":
                    found.add(before.text)
                if before.text in {"const", "let", "var", "import"}:
                    break
    return found - _NO_NAMES


def _is_scheduler(tokens: Sequence[Token], index: int, names: set[str]) -> bool:
    """`cron.schedule`, `new CronJob`, `cron_1.default.schedule`; or a text of a cron in any call of schedule."""
    token, before = tokens[index], tokens[index - 1].text if index else ""
    if before != ".":
        return token.text in names and (token.text in _METHODS or before == "new")
    if token.text not in _METHODS:
        return False
    owner = index - 4 if tokens[index - 2].text == "default" else index - 2
    first = tokens[index + 2 : index + 3]
    is_cron = bool(first) and first[0].is_constant and len(first[0].value.split()) in (5, 6)
    return tokens[owner].text in names or (is_cron and token.text != "from")


def _arguments(tokens: Sequence[Token], matches: Mapping[int, int], start: int, end: int) -> Iterator[int]:
    index = start
    if start < end:
        yield start
    while index < end:
        if tokens[index].text == ",":
            yield index + 1
        index = matches.get(index, index) + 1


class _Reader:
    """Finds the text that an expression stands for: a text, a variable with a default, a constant, a key elsewhere."""

    def __init__(self, project: NodeProject, env: Mapping[str, str]) -> None:
        self._sources = list(project.loaded.values())
        self._env = env

    def text(self, source: SourceFile, at: int, depth: int = 0) -> Default | None:
        """The text, with its place; None where it is not found."""
        tokens = source.tokens
        if depth > _DEEPEST or at >= len(tokens):
            return None
        if tokens[at].is_constant:
            ends = tokens[at + 1 : at + 2]
            plain = not ends or ends[0].text not in {"+", ".", "?", "["}
            return Default(tokens[at].value, source.place(at)) if plain else None
        path, end = _path(tokens, at)
        after = tokens[end].text if end < len(tokens) else ""
        if not path or after in {"(", "[", "+", "?", "."}:
            return None
        if path[:2] == ["process", "env"] and len(path) == 3:
            found = Default(self._env[path[2]], ".env") if self._env.get(path[2]) else None
        else:
            found = self._named(source, path, depth)
        if found is None and after in {"||", "??"}:
            return self.text(source, end + 1, depth + 1)
        return found

    def _named(self, source: SourceFile, path: Sequence[str], depth: int) -> Default | None:
        """What a name is given: in the same file, else at one place, or as one text, in the others."""
        for sources in ([source], [each for each in self._sources if each is not source]):
            places = [(each, at) for each in sources for at in _given(each.tokens, path[-1], is_key=len(path) > 1)]
            texts = [self.text(each, at, depth + 1) for each, at in places]
            if texts:
                known = [text for text in texts if text is not None]
                return known[0] if len(known) == len(texts) and len({each.value for each in known}) == 1 else None
        return None


def _path(tokens: Sequence[Token], at: int) -> tuple[list[str], int]:
    """`config.cron.expression` as its words, and the index after them."""
    path: list[str] = []
    while at < len(tokens) and tokens[at].kind == "word":
        path.append(tokens[at].text)
        at += 1
        if at + 1 < len(tokens) and tokens[at].text in {".", "?."} and tokens[at + 1].kind == "word":
            at += 1
        else:
            break
    return path, at


def _given(tokens: Sequence[Token], name: str, *, is_key: bool) -> Iterator[int]:
    """Where a value for the name begins."""
    for index in range(len(tokens) - 2):
        sign = tokens[index + 1].text
        if tokens[index].value != name or sign not in ({"=", ":"} if is_key else {"="}):
            continue
        itself = [token.text for token in tokens[index + 2 : index + 4]]
        if itself[:1] == [name] and itself[1:] != ["."]:
            continue
        yield index + 2

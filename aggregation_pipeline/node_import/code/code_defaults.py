"""What the code says where `.env` does not: `process.env.NAME || 'value'`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from aggregation_pipeline.node_import.code.javascript import Token
from aggregation_pipeline.node_import.code.sources import NodeProject, SourceFile

_ELSE: Final = frozenset(("||", "??", ":"))
# So far behind the variable its default may stand: process.env.X ? process.env.X.split(',') : ['a', 'b'].
_NEAR: Final = 30


class Default(NamedTuple):
    """A value from the code, and where it stands."""

    value: str
    place: str


def code_defaults(project: NodeProject) -> Mapping[str, Default]:
    """The default of each variable that the loaded files give one; the first that is found counts."""
    found: dict[str, Default] = {}
    for source in project.loaded.values():
        for name, default in _defaults_in(source):
            found.setdefault(name, default)
    return found


def _defaults_in(source: SourceFile) -> Iterator[tuple[str, Default]]:
    tokens = source.tokens
    for index in range(len(tokens) - 6):
        if [token.text for token in tokens[index : index + 4]] != ["process", ".", "env", "."]:
            continue
        name = tokens[index + 4].text
        for place in range(index + 5, min(index + _NEAR, len(tokens) - 1)):
            if tokens[place].text in {";", "process"} and place > index + 5 and not _is_again(tokens, place, name):
                break
            if tokens[place].text in _ELSE and (value := _constant(tokens, place + 1)) is not None:
                yield name, Default(value, source.place(place + 1))
                break
            if tokens[place].text in {",", "}"} and tokens[place - 1].text != ")":
                break


def _is_again(tokens: Sequence[Token], place: int, name: str) -> bool:
    return [token.text for token in tokens[place : place + 5]] == ["process", ".", "env", ".", name]


def _constant(tokens: Sequence[Token], place: int) -> str | None:
    """A text, a number, or an array of texts, as the variable would have to be set."""
    token = tokens[place]
    if token.is_constant or token.kind == "number":
        return token.value
    return list_at(tokens, place)


def list_at(tokens: Sequence[Token], place: int) -> str | None:
    """An array of texts, with commas between them; None where there is something else."""
    if tokens[place].text != "[":
        return None
    items: list[str] = []
    for each in tokens[place + 1 : place + 400]:
        if each.text == "]":
            return ",".join(items)
        if each.is_constant:
            items.append(each.value)
        elif each.text != ",":
            return None
    return None

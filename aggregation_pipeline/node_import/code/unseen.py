"""Where rules of a Node project may be that were not seen: for a project in which none were found at all."""

import re
from collections.abc import Iterator
from typing import Final

from aggregation_pipeline.node_import.code.sources import NodeProject, SourceFile, loads

# Data that code reads by itself.
_DATA: Final = re.compile(r".+\.(json5?|ya?ml|toml)", re.IGNORECASE)
_NO_RULES: Final = re.compile(r"(.*/)?(package(-lock)?|tsconfig|manifest)\.json", re.IGNORECASE)
# Packages that hold a configuration, or read one from files that they find by themselves.
_CONFIGURATION: Final = re.compile(
    r"(.*[-/@])?(config|rules?|aggregat\w*|nconf|convict|rc|cosmiconfig|tables?)([-/].*)?"
)


def unseen_rules(project: NodeProject) -> Iterator[str]:
    """The places, each with what stands there: files by an alias, packages with a configuration, files of data."""
    yield from project.not_followed
    for source in project.loaded.values():
        yield from _loaded_otherwise(project, source)
        for index, token in enumerate(source.tokens):
            name = token.value if token.is_constant else ""
            is_data = _DATA.fullmatch(name) and not _NO_RULES.fullmatch(name)
            if is_data and (source.path.parent / name).resolve() not in project.loaded:
                yield f"{source.place(index)} has the name of {name}"


def _loaded_otherwise(project: NodeProject, source: SourceFile) -> Iterator[str]:
    aliases = project.package.get("_moduleAliases")
    begins = ("#", "~", "@/", f"{project.package.get('name') or '#'}/", *(aliases if isinstance(aliases, dict) else ()))
    for index, wanted in loads(source.tokens):
        if wanted is None or wanted.startswith((".", "/", "node:")):
            continue
        if wanted.startswith(begins):
            yield f"{source.place(index)} loads {wanted}, an alias that is not followed"
        elif _CONFIGURATION.fullmatch(wanted) and not wanted.startswith("dotenv"):
            yield f"{source.place(index)} loads the package {wanted}"

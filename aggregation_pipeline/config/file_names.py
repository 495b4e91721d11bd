"""What a window's files are called: a template such as `{table}_{date}.{dataset}`, to which each format adds its own
ending.
"""

import re
from collections.abc import Collection
from typing import Final, Literal

# How a window's files come by their stable names, beside the keys under which they lie for good.
Names = Literal["copy", "symlink", "none"]
DEFAULT_TEMPLATE: Final = "{table}.{dataset}"
PLACEHOLDERS: Final = ("table", "dataset", "window", "date", "format")
# What the store keeps for itself beside a window's files.
RESERVED: Final = frozenset({"manifest", "latest", "publication"})
_MAX_LENGTH: Final = 100
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_DATASET: Final = "{dataset}"
# What parts {dataset} from its neighbours, and would part nothing any more.
_MARKS: Final = "-._ ~+,;&@#=·–—，、；"
_BRACKETS: Final = dict(zip("([（【［〔《〈「『", ")]）】］〕》〉」』", strict=True))
_BAD_CHARACTERS: Final = frozenset('/\\:*?"<>|%{}')
ENDINGS: Final = (".json", ".jsonl", ".csv", ".xlsx", ".parquet")


def checked_template(template: str) -> str:
    """The template, proved to give names that every file system and object store takes as they are.

    Raises:
        ValueError: it does not.
    """
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    for name in _PLACEHOLDER.findall(template):
        if name not in PLACEHOLDERS:
            raise ValueError(f"{{{name}}} is no placeholder of file names; there are {known}")
    if "${" in template:
        raise ValueError(f"placeholders have no $ before them; there are {known}; found {template!r}")
    if any(brace in template for brace in "｛｝"):
        raise ValueError(f"a placeholder's braces are the ASCII signs {{ and }}; found {template!r}")
    literal = _PLACEHOLDER.sub("x", template)
    bad = [character for character in literal if character in _BAD_CHARACTERS or not character.isprintable()]
    if bad:
        what = (
            "a brace stands alone; placeholders are " + known
            if bad[0] in "{}"
            else f"{bad[0]!r} can be in no file's name"
        )
        raise ValueError(
            f"{what}; found {template!r}. Files of a window lie in one folder, so a template makes no folders"
        )
    if (
        ".." in literal
        or literal != literal.strip(" .")
        or len(template) > _MAX_LENGTH
        or not _without_dataset(template)
    ):
        raise ValueError(
            f"a name of 1 to {_MAX_LENGTH} characters is expected, without '..' and without a dot or a blank at its "
            f"ends, of which something is left where {{dataset}} falls away, as it does for a file that holds both "
            f"datasets; found {template!r}"
        )
    if literal.lower().endswith(ENDINGS):
        raise ValueError(f"each format adds its own ending; found {template!r}: take the ending out")
    return template


def file_stem(template: str, table: str, window: str, format_name: str, dataset: str | None) -> str:
    """The name without its ending; `dataset` is None for a file that holds both."""
    values = {
        "table": table,
        "dataset": dataset or "",
        # An hour's window holds a colon, which Windows takes in no name.
        "window": window.replace(":", ""),
        "date": window[:10].replace("-", ""),
        "format": format_name,
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template if dataset else _without_dataset(template))


def _without_dataset(template: str) -> str:
    """The template of a file that holds both datasets: no {dataset}, no brackets around nothing, no mark that parts
    nothing.
    """
    while _DATASET in template:
        before, _, after = template.partition(_DATASET)
        while _BRACKETS.get(before.rstrip()[-1:]) == after.lstrip()[:1] != "":
            before, after = before.rstrip()[:-1], after.lstrip()[1:]
        before = before.rstrip(_MARKS)
        if not before or before[-1] in _BRACKETS:
            after = after.lstrip(_MARKS)
        template = before + after
    return template


def refuse_collisions(template: str, table: str, datasets: Collection[str]) -> None:
    """Prove that no two files of a table's window meet under one name, and none the window's manifest.

    Raises:
        ValueError: they would.
    """
    if template == DEFAULT_TEMPLATE:  # the store sees to a table that is called manifest
        return
    if len(datasets) > 1 and "{dataset}" not in template:
        raise ValueError(
            f"{template!r} calls the summary and the detail rows of {table} the same; put {{dataset}} in. "
            "It falls away in a file that holds both"
        )
    for dataset in (*datasets, None):
        if (stem := file_stem(template, table, "2026-01-01", "json", dataset)).lower() in RESERVED:
            raise ValueError(
                f"{template!r} calls a file of {table} {stem!r}, as the store calls its own; choose another"
            )

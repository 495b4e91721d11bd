"""The names of a window's files: a template such as `{table}_{date}.{dataset}`. Each format adds its own ending."""

import re
from collections.abc import Collection
from typing import Final, Literal

# How a window's files get their stable names, beside the keys of the publication.
StableNames = Literal["copy", "symlink", "none"]
DEFAULT_TEMPLATE: Final = "{table}.{dataset}"
PLACEHOLDERS: Final = ("table", "dataset", "window", "date", "format")
# Names that the store uses for its own objects beside a window's files.
RESERVED_STEMS: Final = frozenset({"manifest", "latest", "publication"})
_MAX_LENGTH: Final = 100
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_DATASET: Final = "{dataset}"
# Marks that separate {dataset} from its neighbours. Without {dataset} they would separate nothing.
_SEPARATORS: Final = "-._ ~+,;&@#=·–—，、；"
_BRACKETS: Final = dict(zip("([（【［〔《〈「『", ")]）】］〕》〉」』", strict=True))
_BAD_CHARACTERS: Final = frozenset('/\\:*?"<>|%{}')
ENDINGS: Final = (".json", ".jsonl", ".csv", ".xlsx", ".parquet")


def checked_template(template: str) -> str:
    """The template, if its names are valid on every file system and object store.

    Raises:
        ValueError: says what is wrong with it.
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
            "a brace has no partner; placeholders are " + known
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
            f"a name of 1 to {_MAX_LENGTH} characters is expected, without '..', without a dot or a blank at its ends,"
            f" and not empty without {{dataset}}, which is left out in a file that holds both datasets; found"
            f" {template!r}"
        )
    if literal.lower().endswith(ENDINGS):
        raise ValueError(f"each format adds its own ending; found {template!r}: take the ending out")
    return template


def file_stem(template: str, table: str, window: str, format_name: str, dataset: str | None) -> str:
    """The name without its ending; `dataset` is None for a file that holds both datasets."""
    values = {
        "table": table,
        "dataset": dataset or "",
        # The name of an hour's window holds a colon, which Windows allows in no file name.
        "window": window.replace(":", ""),
        "date": window[:10].replace("-", ""),
        "format": format_name,
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template if dataset else _without_dataset(template))


def _without_dataset(template: str) -> str:
    """The template of a file that holds both datasets, without {dataset} and the brackets and separators around it."""
    while _DATASET in template:
        before, _, after = template.partition(_DATASET)
        while _BRACKETS.get(before.rstrip()[-1:]) == after.lstrip()[:1] != "":
            before, after = before.rstrip()[:-1], after.lstrip()[1:]
        before = before.rstrip(_SEPARATORS)
        if not before or before[-1] in _BRACKETS:
            after = after.lstrip(_SEPARATORS)
        template = before + after
    return template


def refuse_collisions(template: str, table: str, datasets: Collection[str]) -> None:
    """Refuse a template by which two files of a window, or a file and the manifest, would have one name.

    Raises:
        ValueError: names the template and the table.
    """
    if template == DEFAULT_TEMPLATE:  # the store handles a table that is called manifest
        return
    if len(datasets) > 1 and "{dataset}" not in template:
        raise ValueError(
            f"{template!r} gives the summary and the detail rows of {table} the same name; put {{dataset}} in. "
            "It is left out in a file that holds both"
        )
    for dataset in (*datasets, None):
        if (stem := file_stem(template, table, "2026-01-01", "json", dataset)).lower() in RESERVED_STEMS:
            raise ValueError(
                f"{template!r} gives a file of {table} the name {stem!r}, which the store uses itself; choose another"
            )

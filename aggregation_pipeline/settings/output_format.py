"""OUTPUT_FORMAT, and what commands take for `--formats`: names of formats with commas between, or `all`."""

from typing import get_args

from aggregation_pipeline.config.format_names import FORMAT_NAMES, FormatName
from aggregation_pipeline.config.messages.likely_causes import foreign_sign
from aggregation_pipeline.config.messages.suggestions import did_you_mean


def parse_formats(text: str) -> tuple[FormatName, ...]:
    """Read one name, several with commas, or `all`; in the order of FORMAT_NAMES, each once.

    Raises:
        ValueError: a name that is no format; the message names the right ones.
    """
    names = {part.strip().lower() for part in text.split(",") if part.strip()}
    names = {"excel" if name == "xlsx" else name for name in names}
    unknown = sorted(names - {*FORMAT_NAMES, "all"})
    if unknown or not names:
        if cause := foreign_sign(text):
            hint = f": {cause}"
        else:
            suggestions = "".join(did_you_mean(name, FORMAT_NAMES) for name in unknown)
            hint = f".{suggestions}".removesuffix(".")
        found = ", ".join(unknown) or "nothing"
        raise ValueError(
            f"expected one or more of {', '.join(FORMAT_NAMES)} (with commas between), or all; found {found}{hint}"
        )
    return tuple(name for name in get_args(FormatName) if name in names or "all" in names)

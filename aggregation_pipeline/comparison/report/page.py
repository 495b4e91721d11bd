"""A comparison as one HTML file: it loads nothing, runs nothing, and escapes every value."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib import resources
from typing import Any, Final

from aggregation_pipeline.comparison.report.text_report import differences
from aggregation_pipeline.comparison.report.texts import DATABASE, NOTES, PAGE, Language, reason_words, words
from aggregation_pipeline.comparison.results import Comparison, TableResult

_PACKAGE: Final = "aggregation_pipeline.comparison.report"


def html_page(comparison: Comparison, language: Language) -> str:
    """Return the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    style = resources.files(_PACKAGE).joinpath("templates", "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        t={key: words(PAGE, key, language) if key != "shown" else "" for key in PAGE},
        language=language,
        style=style,
        style_hash=f"sha256-{digest}",
        tables=[_table(table, language) for table in comparison.tables],
    )


def _table(table: TableResult, language: Language) -> Mapping[str, Any]:
    return asdict(replace(table, columns={})) | {
        "reasons": [reason_words(reason, language) for reason in table.reasons],
        "notes": [
            {"column": name, "count": count, "text": words(NOTES, note, language)}
            for (name, note), count in table.notes.items()
        ],
        "examples": [
            asdict(each) | {"database": words(DATABASE, each.database, language) if each.database else ""}
            for each in table.examples
        ],
        "shown": words(
            PAGE, "shown", language, {"shown": f"{len(table.examples):,}", "all": f"{differences(table):,}"}
        ),
    }

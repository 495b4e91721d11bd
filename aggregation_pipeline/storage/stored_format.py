"""Which format the objects of a store are of. Whatever changes one of them counts its number up.

Older formats stay readable. A newer one is neither used nor replaced: who wrote it knows what it means.
"""

import json
from typing import Final

from aggregation_pipeline.errors import StorageNewerError, newer_format

# 2 added `source`.
MANIFEST_FORMAT: Final = 2
EXTRACT_FORMAT: Final = 1
MARK_FORMAT: Final = 1
LATEST_FORMAT: Final = 1


def refuse_newer(content: bytes, known: int, *, where: str) -> None:
    """Refuse a JSON object whose `version` is above `known`. Of any other content nothing is said.

    Raises:
        StorageNewerError: it names `where`, and the program that wrote it.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return
    _refuse(document, known, where, document)
    for dataset in _items(document, "datasets"):
        extract = dataset.get("extract") if isinstance(dataset, dict) else None
        key = extract.get("key") if isinstance(extract, dict) else None
        _refuse(extract, EXTRACT_FORMAT, f"{where}: the extract {key}", document)


def _refuse(part: object, known: int, where: str, document: object) -> None:
    found = part.get("version") if isinstance(part, dict) else None
    by = document.get("written_by") if isinstance(document, dict) else None
    if isinstance(found, int) and found > known:
        raise StorageNewerError(newer_format(where, found, known, by))


def _items(document: object, name: str) -> list[object]:
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, list) else []

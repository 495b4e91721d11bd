"""The page that shows our endpoints to people, made of their OpenAPI description. It loads nothing and runs nothing."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

# A part of an OpenAPI document.
_Part = Mapping[str, Any]

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-top: 1px solid; padding-top: 1rem; }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .75rem 0 1.5rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8886; }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {"Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'"}


def render(document: _Part) -> str:
    """Return the page, in HTML."""
    title = escape(document["info"]["title"])
    operations = "".join(
        part
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for part in _operation(path, method, operation, document["components"]["schemas"])
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><h1>{title}</h1>'
        f"<p>{escape(document['info']['description'])}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a></p>{operations}</body></html>'
    )


def _operation(path: str, method: str, operation: _Part, schemas: _Part) -> Iterator[str]:
    yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
    yield "".join(f"<p>{escape(text)}</p>" for text in operation.get("description", "").split("\n\n"))
    parameters = [(each["name"], each["in"], each.get("description", "")) for each in operation.get("parameters", ())]
    yield _table(("parameter", "where", "what it means"), parameters)
    sent = _schema_names(operation.get("requestBody", {}))
    yield _table(("body",), [(name,) for name in sent])
    answers = operation["responses"].items()
    lines = [(status, " or ".join(_schema_names(answer)), answer["description"]) for status, answer in answers]
    yield _table(("answer", "fields", "what it means"), lines)
    shown: list[str] = []
    for name in (*sent, *_schema_names([answer for _, answer in answers])):
        yield from _fields(name, schemas, shown)


def _fields(name: str, schemas: _Part, shown: list[str]) -> Iterator[str]:
    """Yield a table of the fields of a schema, and of those of the schemas below it, each once: `shown` has been."""
    if name in shown:
        return
    shown.append(name)
    properties = schemas[name].get("properties", {})
    rows = [(field, _kind(about), about.get("description", "")) for field, about in properties.items()]
    yield f"<h3>{escape(name)}</h3>{_table(('field', 'type', 'what it means'), rows)}"
    for below in _schema_names(properties):
        yield from _fields(below, schemas, shown)


def _kind(about: _Part) -> str:
    if "$ref" in about:
        return str(about["$ref"].rpartition("/")[2])
    if "anyOf" in about:
        return " or ".join(map(_kind, about["anyOf"]))
    if "enum" in about or "const" in about:
        return " or ".join(map(str, about.get("enum", [about.get("const")])))
    inner = about.get("items") or about.get("additionalProperties")
    return f"{about.get('type', 'any')}{f' of {_kind(inner)}' if isinstance(inner, Mapping) else ''}"


def _schema_names(part: object) -> list[str]:
    """Return the schemas that a part of the document names, however deep, each once."""
    if isinstance(part, Mapping):
        own = [str(part["$ref"]).rpartition("/")[2]] if isinstance(part.get("$ref"), str) else []
        return list(dict.fromkeys([*own, *(name for value in part.values() for name in _schema_names(value))]))
    if isinstance(part, list):
        return list(dict.fromkeys(name for value in part for name in _schema_names(value)))
    return []


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = (f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{names}</tr>{''.join(lines)}</table>"

"""`import-node`: turn the folder of the Node.js service into aggregation.yaml and .env."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aggregation_pipeline.cli import common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregation_pipeline.node_import.importing import Imported

_COLOURS: Final = {"carried": "green", "changed": "yellow", "not carried": "red"}
_TITLES: Final = {
    "carried": "Carried over",
    "changed": "Changed, and why",
    "not carried": "Not carried over, and what to do",
}
_STDIN: Final = "-"
# More is no set of rules.
_MOST_BYTES: Final = 64 * 2**20
_TO_DO: Final = 3


@click.command(name="import-node", short_help="Turn the folder of the Node.js service into aggregation.yaml and .env.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder for aggregation.yaml and .env. Default: this one.",
)
@click.option(
    "--rules",
    type=click.Path(path_type=Path),
    metavar="FILE|-",
    help="Take the rules from this file: JSON, or a JavaScript file of the project; - is JSON on stdin.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@common.json_option
@common.explained
def import_node(path: Path, output: Path, rules: Path | None, *, force: bool, as_json: bool) -> None:
    """Turn the folder PATH of the Node.js service into aggregation.yaml and .env, and list what became of what.

    The rules are those that take effect: what the start file of package.json loads, directly or not, is searched, and
    evaluated by your own Node.js (20 or later), which may read the project and nothing else. Nothing in PATH changes.
    Without such a Node.js, mini-racer (the extra `import`) runs files that are no ES modules. Where the rules cannot be
    evaluated, give them as JSON.

    Exit code 0 if everything was carried over, 3 if something is left for you to do, 1 if nothing was written.

    \b
    aggregation-pipeline import-node ../data-aggregation-service --output aggregation
    aggregation-pipeline import-node ../data-aggregation-service --rules config/aggregation.js
    node -e "console.log(JSON.stringify(require('./config/aggregation.js')))" > rules.json
    aggregation-pipeline import-node ../data-aggregation-service --rules rules.json
    aggregation-pipeline import-node - < rules.json
    """
    from aggregation_pipeline.node_import.importing import import_project, import_rules
    from aggregation_pipeline.node_import.writing import write_project

    project = None if str(path) == _STDIN else path
    if project is None:
        if rules is not None:
            raise click.UsageError("with - as PATH the rules come from stdin; leave --rules out")
        imported = import_rules(_read_stdin(), "stdin")
    elif rules is not None and str(rules) == _STDIN:
        imported = import_project(project, rules_json=(_read_stdin(), "stdin"))
    elif rules is not None and rules.suffix.lower() == ".json":
        imported = import_project(project, rules_json=(_read_json(rules, project), str(rules)))
    else:
        imported = import_project(project, rules=rules)
    written = write_project(imported, output, force=force, node_project=project)
    if as_json:
        common.show_json(_as_object(imported, written))
    else:
        _show(imported, written)
    sys.exit(0 if imported.is_whole else _TO_DO)


def _read_stdin() -> str:
    return _decoded(sys.stdin.buffer.read(_MOST_BYTES + 1), "stdin")


def _read_json(rules: Path, project: Path) -> str:
    path = rules if rules.exists() else project / rules
    try:
        with path.open("rb") as file:
            return _decoded(file.read(_MOST_BYTES + 1), str(rules))
    except OSError as error:
        raise click.ClickException(f"{rules} cannot be read ({error.strerror})") from None


def _decoded(content: bytes, name: str) -> str:
    if len(content) > _MOST_BYTES:
        raise click.ClickException(f"{name} is larger than {_MOST_BYTES // 2**20} MiB, which no set of rules is")
    try:
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise click.ClickException(f"{name} is not UTF-8; save it so") from None


def _as_object(imported: "Imported", written: "Sequence[Path]") -> dict[str, object]:
    return {
        "ok": imported.is_whole,
        "files": [str(path) for path in written],
        "start": imported.start or None,
        "rules_from": imported.rules_from,
        "not_in_force": imported.not_in_force,
        "tables": imported.tables,
        "items": [asdict(item) for item in imported.items],
    }


def _show(imported: "Imported", written: "Sequence[Path]") -> None:
    if imported.start:
        click.echo(f"The service starts with {imported.start}.")
    if imported.rules_from:
        click.echo(f"Its rules are those in {', '.join(imported.rules_from)}.")
    else:
        click.echo("No rules are in force in it.")
    for name in imported.not_in_force:
        click.echo(f"{name} has rules too, which nothing loads: they are not in force.")
    for kind, title in _TITLES.items():
        items = [item for item in imported.items if item.kind == kind]
        if items:
            click.echo()
            click.secho(f"{title}:", fg=_COLOURS[kind], bold=True)
        for item in items:
            place = f"  ({item.place})" if item.place and item.place != item.what else ""
            click.echo(f"  {item.what}: {' '.join(item.text.split())}{place}")
    click.echo()
    click.echo(
        f"Written: {', '.join(map(str, written))}. Next: set DAGSTER_PG_URL in .env, then aggregation-pipeline plan"
    )

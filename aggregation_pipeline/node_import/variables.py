"""Turns the `.env` of the Node service into ours, and says what became of each variable. Values are never shown."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.errors import ConfigError, SettingsError
from aggregation_pipeline.node_import.code.code_defaults import Default, code_defaults
from aggregation_pipeline.node_import.code.schedules import Call, scheduler_calls
from aggregation_pipeline.node_import.code.sources import NodeProject
from aggregation_pipeline.node_import.crons import cron_of_node, scheduler_of
from aggregation_pipeline.node_import.report import Item, Kind
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.env_file import parse_env_file
from aggregation_pipeline.settings.env_text import env_assignment, env_assignment_for_node
from aggregation_pipeline.settings.messages import describe_problem
from aggregation_pipeline.settings.value_files import with_files

_SECRET: Final = re.compile(
    r"PASS|PWD|(^|_)PW(_|$)|SECRET|TOKEN|KEY|CREDENTIAL|AUTH|SALT|DSN|_UR[IL]$|WEBHOOK", re.IGNORECASE
)
_PASSWORD_IN_URL: Final = re.compile(r"://[^/\s:@]*:([^\s@]+)@")
# A shorter value would be found in any text.
_SHORTEST_SECRET: Final = 5
_OLD_ZONE: Final = "Asia/Shanghai"
_OLD_CRON: Final = "0 0 2 * * *"
# Handled one by one, or of no meaning outside of Node.
_OWN: Final = frozenset(("TZ", "CRON_SCHEDULE", "OUTPUT_FORMAT", "AGGREGATION_TABLES", "PORT", "NODE_ENV"))
_FORMATS_THERE: Final = ("json", "csv", "excel")


@dataclass
class Variables:
    """The new `.env` as it is made.

    Attributes:
        values: the variables of the new file, in its order.
        items: what is said of them.
    """

    values: dict[str, str] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def say(self, kind: Kind, name: str, text: str, place: str = ".env") -> None:
        """Add a line to the report."""
        self.items.append(Item(kind, name, text, place))


def secrets_of(env: Mapping[str, str]) -> list[str]:
    """The values that are secret, as far as the names of their variables tell, and the passwords in URLs."""
    named = [value for name, value in env.items() if _SECRET.search(name)]
    inside = [found for value in env.values() for found in _PASSWORD_IN_URL.findall(value)]
    return [value for value in (*named, *inside) if len(value) >= _SHORTEST_SECRET]


def names_read_differently(text: str, env: Mapping[str, str]) -> list[str]:
    """The variables of a file that python-dotenv reads otherwise than Node's dotenv, which read `env` from it."""
    from dotenv.parser import parse_stream
    from dotenv.variables import Variable, parse_variables

    read: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(text, newline=None)):
        if binding.key:
            expanded = any(isinstance(atom, Variable) for atom in parse_variables(binding.value or ""))
            read[binding.key] = None if expanded else binding.value
    # A variable of the start script is in no line.
    in_node = parse_env_file(text, Path(".env"))
    return [name for name, value in env.items() if in_node.get(name) == value != read.get(name)]


def variables_of(
    env: Mapping[str, str], text: str, project: NodeProject | None, tables: Sequence[str], tables_place: str
) -> Variables:
    """The new variables.

    Args:
        env: those of the old file, by Node's rule.
        text: of the old file.
        project: None where only rules were given.
        tables: those to run.
    """
    made = Variables()
    defaults = code_defaults(project) if project else {}
    _known(made, env, defaults)
    # Beside the .env, in the folder where the project runs.
    made.values["AGGREGATION_CONFIG"] = "aggregation.yaml"
    made.values["AGGREGATION_TABLES"] = ",".join(tables)
    made.say("carried", "AGGREGATION_TABLES", ", ".join(tables), tables_place)
    _formats(made, env, defaults)
    _schedule(made, env, defaults, project)
    _port(made, env, defaults)
    # An empty variable says nothing, whoever reads it.
    unknown = sorted({name for name, value in env.items() if value} - made.values.keys() - _OWN)
    for name in unknown:
        made.say("not carried", name, "nothing here reads it; where the old code used it, it has no counterpart")
    _write(made, set(names_read_differently(text, env)))
    _validate(made)
    better = {item.what for item in made.items if item.kind != "carried"}
    made.items = [item for item in made.items if item.kind != "carried" or item.what not in better]
    return made


def _known(made: Variables, env: Mapping[str, str], defaults: Mapping[str, Default]) -> None:
    """The variables that have the same name and meaning here."""
    names = [name for name in with_files(Settings.model_fields) if name not in _OWN]
    for name in sorted(names, key=[*env, *names].index):
        if value := env.get(name):
            made.values[name] = value
            made.say("carried", name, "the same")
        elif (default := defaults.get(name)) and default.value and _is_wanted(name, env):
            made.values[name] = default.value
            made.say("carried", name, "the default of the old code is written out", default.place)


def _is_wanted(name: str, env: Mapping[str, str]) -> bool:
    # A region alone would be a store that is half configured.
    return not name.startswith(("OSS_", "SUPABASE_")) or bool(
        env.get(f"{name.partition('_')[0]}_{'BUCKET' if name.startswith('OSS') else 'URL'}")
    )


def _formats(made: Variables, env: Mapping[str, str], defaults: Mapping[str, Default]) -> None:
    value, place = _value("OUTPUT_FORMAT", env, defaults, "json")
    wanted = value.strip().lower()
    if wanted == "all":
        made.values["OUTPUT_FORMAT"] = ",".join(_FORMATS_THERE)
        made.say(
            "changed", "OUTPUT_FORMAT", f"all is written as {','.join(_FORMATS_THERE)}: here all has parquet too", place
        )
    elif wanted in _FORMATS_THERE:
        made.values["OUTPUT_FORMAT"] = wanted
        text = "the same"
        if wanted == "csv":
            text = "csv alone uploaded nothing there, by a mistake of the old service; here the CSV files are published"
        elif wanted == "excel":
            text = "the files end in .xlsx; the old service's keys ended in .excel"
        made.say("carried" if wanted == "json" else "changed", "OUTPUT_FORMAT", text, place)
    else:
        made.values["OUTPUT_FORMAT"] = "json"
        made.say(
            "not carried",
            "OUTPUT_FORMAT",
            f"it is none of {', '.join(FORMAT_NAMES)}, all; json is written instead",
            place,
        )


def _schedule(
    made: Variables, env: Mapping[str, str], defaults: Mapping[str, Default], project: NodeProject | None
) -> None:
    """The schedule and its zone."""
    calls = scheduler_calls(project, env) if project else []
    known = [call for call in calls if call.cron]
    _say_of_calls(made, calls, known[:1])
    _zone(made, env, defaults, (known or calls)[:1], is_project=project is not None)
    value, place = known[0].cron if known and known[0].cron else _value("CRON_SCHEDULE", env, defaults, _OLD_CRON)
    if env.get("CRON_SCHEDULE") and place != ".env":
        text = "the scheduler is not given it there, and what it is given counts: see that this is right"
        made.say("not carried", "CRON_SCHEDULE", text)
    if not place:
        made.values["CRON_SCHEDULE"] = value
        text = f"no schedule is found there; {value!r} is written: set it before you switch"
        made.say("not carried" if project else "changed", "CRON_SCHEDULE", text, "")
        return
    scheduler, version = scheduler_of(project) if project else ("node-cron", None)
    named = f"{scheduler} {version or '(version unknown)'}"
    try:
        five = cron_of_node(value, scheduler, version)
    except ConfigError as error:
        made.values["CRON_SCHEDULE"] = _OLD_CRON
        made.say(
            "not carried",
            "CRON_SCHEDULE",
            f"{error}. {_OLD_CRON!r} is written instead: set it before you switch",
            place,
        )
        return
    if _runs_as(value) == five.cron:
        made.values["CRON_SCHEDULE"] = value.strip()
        made.say("carried", "CRON_SCHEDULE", f"the same. {five.note}".removesuffix(". None"), place)
    else:
        made.values["CRON_SCHEDULE"] = five.cron
        made.say("changed", "CRON_SCHEDULE", f"{value!r} as {named} reads it is {five.cron!r} here", place)


def _say_of_calls(made: Variables, calls: Sequence[Call], taken: Sequence[Call]) -> None:
    """Say which calls of a scheduler are left to do."""
    for call in calls:
        if call.cron is None:
            text = (
                "the schedule of this call is not found in the code: set it here, or as the key schedule of its tables"
            )
            made.say("not carried", "CRON_SCHEDULE", text, call.place)
        elif call not in taken:
            text = "a second schedule: give the tables it is for the key schedule"
            made.say("not carried", "schedule", text, call.place)


def _runs_as(cron: str) -> str:
    try:
        return to_five(cron)
    except ConfigError:
        return ""


def to_five(cron: str) -> str:
    """The five fields of an expression as this project reads it."""
    from aggregation_pipeline.config.cron import to_five_fields

    return to_five_fields(cron).cron


def _zone(
    made: Variables, env: Mapping[str, str], defaults: Mapping[str, Default], call: Sequence[Call], *, is_project: bool
) -> None:
    value, place = _value("TZ", env, defaults, _OLD_ZONE)
    if call and call[0].zone:
        value, place = call[0].zone
    elif call and call[0].has_zone:
        text = f"the zone of this call is not found in the code; TIMEZONE is {value}: put it right before you switch"
        made.say("not carried", "TZ", text, call[0].place)
    elif not place:
        text = f"nobody set a zone, so it was that of the machine; TIMEZONE is {value}: put it right before you switch"
        made.say("not carried" if is_project else "changed", "TZ", text, "")
    made.values["TIMEZONE"] = value.removeprefix(":")
    if place:
        text = "TIMEZONE has it now: the zone of schedules, windows and NOW()"
        made.say("changed" if "TZ" in env else "carried", "TZ", text, place)


def _port(made: Variables, env: Mapping[str, str], defaults: Mapping[str, Default]) -> None:
    value, place = _value("PORT", env, defaults, "3000")
    if value.strip() in {"3000", ""}:
        return
    port = value.strip() if value.strip().isdigit() else "PORT"
    made.say("not carried", "PORT", f"the port is an option here: aggregation-pipeline serve --port {port}", place)


def _value(name: str, env: Mapping[str, str], defaults: Mapping[str, Default], old: str) -> tuple[str, str]:
    """The value that was in force, and where it comes from; no place for the old service's own default."""
    if env.get(name):
        return env[name], ".env"
    return defaults.get(name, Default(old, ""))


def _write(made: Variables, different: set[str]) -> None:
    """The lines of the file."""
    for name, value in made.values.items():
        try:
            made.lines.append(env_assignment(name, value))
        except SettingsError:
            try:
                made.lines.append(env_assignment_for_node(name, value))
                made.say(
                    "not carried",
                    name,
                    "no spelling of it is read alike by Node and by Dagster's services; it is written as this project"
                    " reads it. Set it in the environment, or change it",
                )
            except SettingsError as error:
                made.say("not carried", name, f"{error}")
            continue
        if name in different:
            made.say(
                "changed",
                name,
                "Node's dotenv and python-dotenv, which Dagster's services use, read the old line differently; it is"
                " written so that both read what Node read",
            )


def _validate(made: Variables) -> None:
    """Say which variables this project would refuse."""
    for problem in _problems(made.values):
        name, _, text = problem.partition(": ")
        known = name if name.isupper() else "settings"
        made.say("not carried", known, f"{text if known == name else problem}: put it right in the new .env")


def _problems(values: Mapping[str, str]) -> Iterator[str]:
    try:
        Settings.model_validate({name.lower(): value for name, value in values.items()})
    except ValidationError as error:
        yield from (describe_problem(problem) for problem in error.errors(include_url=False))

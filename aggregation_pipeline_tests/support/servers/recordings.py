"""Servers that cannot be had here: what each answers is recorded in a file, written by hand from its documentation.

The rows of tables come from a real server behind the replaying one; variables, refusals, plans and the shapes of
columns are the recorded server's own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.login import Account
from aggregation_pipeline_tests.support.servers.packets import Column
from aggregation_pipeline_tests.support.servers.replay import Replay, replaying
from aggregation_pipeline_tests.support.servers.replayed_variables import ReplayedVariables
from aggregation_pipeline_tests.support.servers.replies import Done, Error, Reply, ResultSet

_FOLDER: Final = Path(__file__).with_name("recordings")
RECORDED: Final = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@contextmanager
def recorded(
    name: str, backend: MySQLServer, folder: Path, script: "list[tuple[str, Reply]] | None" = None, **changes: Any
) -> Iterator[Replay]:
    """Run the recorded server of that name.

    Args:
        name: of its file.
        backend: gives the rows.
        folder: for the certificate.
        script: answers that come before the recorded ones.
        changes: other values of the recording's keys.
    """
    said = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text("utf-8")) | changes
    account = Account(plugin=said["login"], offered=said["login"], unloaded=said.get("unloaded"))
    variables = {**said["variables"], "version": said["version"]} if said["variables"] else {}
    answers = [(each["sql"], _reply(each)) for each in (*said.get("refused", ()), *said["explain"])]
    answers += [(sql, Done()) for sql in said.get("taken", ())]
    with replaying(
        backend,
        folder,
        [*(script or ()), *answers],
        version=said["version"],
        account=account,
        variables=ReplayedVariables(
            variables,
            alone=True,
            capped=said.get("capped", {}),
            ignored=said.get("ignored", ()),
            settings={key: tuple(value) for key, value in said.get("settings", {}).items()},
        ),
        text_charset=said.get("text"),
    ) as replay:
        yield replay


def _reply(said: dict[str, Any]) -> Reply:
    if "error" in said:
        code, state, message = said["error"]
        return Error(code, state, message)
    return ResultSet([Column(name) for name in said["columns"]], said["rows"])

"""Projects to run: a folder with a configuration, and the variables that lead to it and to the servers."""

import os
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.measuring import ROOT

_SMALL_TABLE: Final = """
  table_{number}:
    table: {table}
    group_by: [city]
    aggregations: [{{function: COUNT, alias: orders}}, {{function: SUM, field: amount, alias: amount}}]
    select_fields: ['*']
"""


def small_tables(table: str, count: int) -> str:
    """Return a configuration of `count` entries for one table, each with an aggregate and rows and no expression."""
    return "tables:" + "".join(_SMALL_TABLE.format(number=number, table=table) for number in range(count))


def project_variables(address: dict[str, Any], url: str, folder: str, config: str, **variables: str) -> dict[str, str]:
    """Make a project in a new folder inside `folder`, and return its environment variables.

    Args:
        address: of MariaDB.
        url: of Dagster's storage.
        folder: where to make it.
        config: the text of aggregation.yaml.
        variables: more of the environment.
    """
    place = Path(tempfile.mkdtemp(dir=folder))
    (place / "aggregation.yaml").write_text(config, encoding="utf-8")
    (place / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return {
        "AGGREGATION_ENV_FILE": os.devnull,
        "AGGREGATION_CONFIG": str(place / "aggregation.yaml"),
        "DB_HOST": address["host"],
        "DB_PORT": str(address["port"]),
        "DB_USER": address["user"],
        "DB_NAME": address["database"],
        "DAGSTER_PG_URL": url,
        "DAGSTER_HOME": str(place),
        "STORAGE_DIR": str(place / "exports"),
        "TEMP_DIR": str(place / "temp"),
        "LOG_DIR": str(place / "logs"),
        "PYTHONPATH": str(ROOT),
        **variables,
    }

"""A whole deployment for a test: a source database, PostgreSQL, a folder, and an aggregation.yaml."""

import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


def ours_left_out() -> dict[str, str]:
    """This machine's environment without anything of ours or Dagster's."""
    ours = {name.upper() for name in Settings.model_fields}
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith(("DAGSTER", "AGGREGATION"))
    }


@dataclass(frozen=True)
class Deployment:
    """Everything by variables, as a user would configure it; `folder` holds exports, temp, logs and the YAML."""

    folder: Path
    source: MySQLServer
    database: str
    postgres_url: str

    def configure(self, text: str) -> Path:
        """Write aggregation.yaml."""
        path = self.folder / "aggregation.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def execute(self, *statements: str) -> None:
        with self.source.connect(database=self.database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def variables(self, **changes: str) -> dict[str, str]:
        """Return the environment of this deployment, with nothing of the machine's own configuration in it."""
        return {
            **ours_left_out(),
            "AGGREGATION_ENV_FILE": os.devnull,
            "AGGREGATION_CONFIG": str(self.folder / "aggregation.yaml"),
            "DB_SOCKET": self.source.unix_socket,
            "DB_USER": self.source.user,
            "DB_NAME": self.database,
            "DAGSTER_PG_URL": self.postgres_url,
            "STORAGE_DIR": str(self.folder / "exports"),
            "TEMP_DIR": str(self.folder / "temp"),
            "LOG_DIR": str(self.folder / "logs"),
            "OUTPUT_FORMAT": "all",
            "DEPLOYMENT_NAME": "test",
            **changes,
        }

    def enter(self, monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
        """Make this deployment the one that this process is configured for."""
        use_environment(monkeypatch, self.variables(**changes))

    @property
    def exports(self) -> Path:
        return self.folder / "exports"


def use_environment(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name in list(os.environ):
        if name not in variables:
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

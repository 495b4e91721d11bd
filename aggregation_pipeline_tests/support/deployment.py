"""A whole deployment for a test: source database, PostgreSQL, folder and aggregation.yaml."""

import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.value_files import with_files
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


def environment_without_settings() -> dict[str, str]:
    """Return this machine's environment without the pipeline's settings and Dagster's variables."""
    settings = set(with_files(Settings.model_fields))
    return {
        name: value
        for name, value in os.environ.items()
        if name not in settings and not name.startswith(("DAGSTER", "AGGREGATION"))
    }


@dataclass(frozen=True)
class Deployment:
    """Configured by variables alone, as a user does it. `folder` holds exports, temp, logs and aggregation.yaml."""

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
        """Run statements in the source database."""
        with self.source.connect(database=self.database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def variables(self, **changes: str) -> dict[str, str]:
        """Return the environment of this deployment, without any configuration of the machine."""
        return {
            **environment_without_settings(),
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
        """Configure this process for this deployment."""
        use_environment(monkeypatch, self.variables(**changes))

    @property
    def exports(self) -> Path:
        """Where files are published."""
        return self.folder / "exports"


def use_environment(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    """Give this process exactly these variables until the test ends."""
    for name in list(os.environ):
        if name not in variables:
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
